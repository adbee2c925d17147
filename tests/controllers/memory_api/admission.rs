//! What kube-apiserver adds to a new object, and what it refuses of a changed one.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::refusal::Refusal;
use super::store::{Id, Store};

const FIRST_NODE_PORT: usize = 30_000;
/// No Service here has more.
const PORTS_OF_ONE: usize = 5;

/// Refuses an object in a namespace that is not there or is going (admission plug-in `NamespaceLifecycle`).
pub fn check_namespace(store: &Store, kind: &Kind, namespace: &str) -> Result<(), Refusal> {
    if !kind.namespaced {
        return Ok(());
    }
    let namespaces = Kind::named("Namespace");
    let found = store.get(&Id::new(namespaces, "", namespace));
    let found = found.ok_or_else(|| Refusal::not_found(namespaces, namespace))?;
    if found["metadata"].get("deletionTimestamp").is_some() {
        let message = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        return Err(Refusal::new(403, "Forbidden", message));
    }
    Ok(())
}

/// What is not kept if it is empty (`omitempty`).
const OMITTED: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// What becomes of an object when it is read, before anybody is taken for the owner of what is in it. Returns whether
/// its metadata had something empty.
pub fn decode(kind: &Kind, object: &mut Value) -> bool {
    let had_emptiness = omit_empty(&mut object["metadata"], &OMITTED);
    match kind.name {
        "Namespace" => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] =
                object["metadata"]["name"].clone();
        }
        "ConfigMap" => {
            omit_empty(object, &["data"]);
        }
        "Secret" => {
            encode(object);
            omit_empty(object, &["data"]);
        }
        "Deployment" if object["status"].is_object() => {
            omit_empty(&mut object["status"], &["conditions"]);
            let conditions = object["status"].get_mut("conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                if condition.get("status").is_none() {
                    condition["status"] = json!("");
                }
            }
        }
        "Service" => {
            for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
                if port.get("targetPort").is_none() {
                    port["targetPort"] = port["port"].clone();
                }
            }
        }
        _ => {}
    }
    had_emptiness
}

fn omit_empty(value: &mut Value, names: &[&str]) -> bool {
    let members = value.as_object_mut().unwrap();
    let had = members.len();
    let is_empty = |value: &Value| *value == json!({}) || *value == json!([]);
    members.retain(|name, value| !(names.contains(&name.as_str()) && is_empty(value)));
    members.len() < had
}

/// Refuses a name that the kind cannot have (`ValidateObjectMeta`).
pub fn check_name(kind: &Kind, name: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let of_rbac = kind.group == "rbac.authorization.k8s.io";
    if of_rbac || (name.len() <= 253 && name.chars().all(allowed)) {
        return Ok(());
    }
    Err(Refusal::invalid(
        kind,
        name,
        "metadata.name: a lowercase RFC 1123 subdomain must consist of",
    ))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Refuses what no object of the kind can be.
pub fn check(kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let owners = items(&object["metadata"]["ownerReferences"]);
    if owners.iter().filter(|owner| owner["controller"] == true).count() > 1 {
        let why = "Only one reference can have Controller set to true";
        return Err(Refusal::invalid(kind, name, format!("metadata.ownerReferences: {why}")));
    }
    let containers = items(&object["spec"]["template"]["spec"]["containers"]);
    if containers.iter().any(|container| container.get("image").is_none()) {
        let why = "spec.template.spec.containers[0].image: Required value";
        return Err(Refusal::invalid(kind, name, why));
    }
    let required = ["type", "status", "reason", "message", "lastTransitionTime"];
    let is_whole = |condition: &Value| required.iter().all(|field| condition.get(field).is_some());
    if kind.is_defined() && !items(&object["status"]["conditions"]).iter().all(is_whole) {
        return Err(Refusal::invalid(kind, name, "status.conditions[0]: Required value"));
    }
    Ok(())
}

/// An object that is sent to a path is the one of that path, and need not say so.
pub fn named_as_path(kind: &Kind, id: &Id, object: &Value) -> Result<Value, Refusal> {
    let mut named = object.clone();
    let metadata = &mut named["metadata"];
    let namespace = kind.namespaced.then_some(("namespace", &id.namespace));
    for (field, wanted) in [("name", &id.name)].into_iter().chain(namespace) {
        if metadata[field].as_str().is_some_and(|said| said != wanted) {
            let why = format!("the {field} of the object does not match the {field} on the URL");
            return Err(Refusal::bad_request(why));
        }
        metadata[field] = json!(wanted);
    }
    Ok(named)
}

/// Fills in what a new object does not say.
pub fn complete(store: &Store, kind: &Kind, object: &mut Value) {
    match kind.name {
        "Namespace" => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "Service" => complete_service(store, object),
        _ => {}
    }
}

/// Mutating admission: within the write, so that the writer is taken for the owner of what comes out.
pub fn mutate(store: &Store, id: &Id, object: &mut Value) {
    if let Some((pointer, value)) = store.mutations.get(id) {
        *object.pointer_mut(pointer).unwrap() = value.clone();
    }
}

/// `stringData` is for those who write; stored is `data`.
fn encode(object: &mut Value) {
    let members = object.as_object_mut().unwrap();
    for (key, text) in members.remove("stringData").iter().filter_map(Value::as_object).flatten() {
        object["data"][key] = json!(STANDARD.encode(text.as_str().unwrap()));
    }
}

/// Refuses a node port that another Service has.
pub fn check_ports(store: &Store, kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let ports = |service: &Value| -> Vec<Value> {
        let all = service["spec"]["ports"].as_array().into_iter().flatten();
        all.filter_map(|port| port.get("nodePort").cloned()).collect()
    };
    if kind.name != "Service" {
        return Ok(());
    }
    let services = store.of_kind(Kind::named("Service"), None);
    let taken: Vec<Value> = services.flat_map(|service| ports(service)).collect();
    match ports(object).into_iter().find(|port| taken.contains(port)) {
        None => Ok(()),
        Some(port) => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let why = "provided port is already allocated";
            let why = format!("spec.ports[0].nodePort: Invalid value: {port}: {why}");
            Err(Refusal::invalid(kind, name, why))
        }
    }
}

/// Of what is in the cluster, out of those for documentation: nobody can connect but over [`crate::world::Network`].
pub const fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

/// Addresses and ports depend on what is there and on nothing else, so that runs can be compared.
fn complete_service(store: &Store, object: &mut Value) {
    let services = || store.of_kind(Kind::named("Service"), None);
    if object["spec"].get("clusterIP").is_none() {
        let name = object["metadata"]["name"].as_str().unwrap();
        let start = name.bytes().fold(0_u8, u8::wrapping_add) % u8::MAX;
        let mut candidates = (start..u8::MAX).chain(0..start).map(|n| address(n).to_string());
        let free = candidates.find(|ip| services().all(|one| one["spec"]["clusterIP"] != **ip));
        object["spec"]["clusterIP"] = json!(free.unwrap());
    }
    if object["spec"].get("ipFamilies").is_none() {
        object["spec"]["ipFamilies"] = json!(["IPv4"]);
    }
    give_ports(store, object);
}

/// Node ports that a Service is to have and has not; also one that is changed to need them.
pub fn give_ports(store: &Store, object: &mut Value) {
    let services = || store.of_kind(Kind::named("Service"), None);
    let leads_there = |one: &Value| {
        ["NodePort", "LoadBalancer"].iter().any(|type_| one["spec"]["type"] == *type_)
    };
    if leads_there(object) {
        let others = services().filter(|one| leads_there(one)).count();
        let again =
            if store.gives_another_port && is_made_again(store, object) { PORTS_OF_ONE } else { 0 };
        for (port, index) in object["spec"]["ports"].as_array_mut().into_iter().flatten().zip(0..) {
            if port.get("nodePort").is_none() {
                port["nodePort"] = json!(FIRST_NODE_PORT + 10 * others + again + index);
            }
        }
    }
}

fn is_made_again(store: &Store, object: &Value) -> bool {
    let [namespace, name] =
        ["namespace", "name"].map(|field| object["metadata"][field].as_str().unwrap());
    store.was_removed(&Id::new(Kind::named("Service"), namespace, name))
}

/// A port that was given to a Service stays if a writer does not name one (`patchAllocatedValues`), and so do its
/// families (`initIPFamilyFields`).
pub fn keep_allocated(kind: &Kind, before: &Value, after: &mut Value) {
    if kind.name != "Service" {
        return;
    }
    for field in ["ipFamilyPolicy", "ipFamilies"] {
        if let (None, Some(had)) = (after["spec"].get(field), before["spec"].get(field)) {
            after["spec"][field] = had.clone();
        }
    }
    if after["spec"]["type"] == "ClusterIP" {
        return;
    }
    let had = |port: &Value| {
        let mut all = before["spec"]["ports"].as_array().into_iter().flatten();
        all.find(|one| one["port"] == *port)?.get("nodePort").cloned()
    };
    for port in after["spec"]["ports"].as_array_mut().into_iter().flatten() {
        if let (None, Some(given)) = (port.get("nodePort"), had(&port["port"])) {
            port["nodePort"] = given;
        }
    }
}

/// Refuses an apply that takes the last condition while somebody owns a field of it: the list is null then, which the
/// schema of a definition does not allow.
pub fn check_emptied(kind: &Kind, before: &Value, after: &Value) -> Result<(), Refusal> {
    let conditions = |object: &Value| object["status"]["conditions"].as_array().map(Vec::len);
    if kind.is_defined() && conditions(after) == Some(0) && conditions(before) != Some(0) {
        let name = before["metadata"]["name"].as_str().unwrap_or_default();
        let why = "status.conditions: Invalid value: null: must be of type array";
        return Err(Refusal::invalid(kind, name, why));
    }
    Ok(())
}

/// Refuses to change what cannot be changed.
pub fn check_change(kind: &Kind, before: &Value, after: &Value) -> Result<(), Refusal> {
    let name = before["metadata"]["name"].as_str().unwrap_or_default();
    let differs = |field: &str| before.get(field) != after.get(field);
    if before["metadata"].get("deletionTimestamp").is_some() {
        let had = items(&before["metadata"]["finalizers"]);
        if items(&after["metadata"]["finalizers"]).iter().any(|one| !had.contains(one)) {
            let why = "no new finalizers can be added if the object is being deleted";
            return Err(Refusal::invalid(
                kind,
                name,
                format!("metadata.finalizers: Forbidden: {why}"),
            ));
        }
    }
    match kind.name {
        "Secret" | "ConfigMap"
            if before["immutable"] == true && (differs("data") || differs("immutable")) =>
        {
            let why = "data: Forbidden: field is immutable when `immutable` is set";
            return Err(Refusal::invalid(kind, name, why));
        }
        "Secret" if differs("type") => {
            return Err(Refusal::invalid(kind, name, "type: field is immutable"));
        }
        "Service" if before["spec"]["clusterIP"] != after["spec"]["clusterIP"] => {
            return Err(Refusal::invalid(kind, name, "spec.clusterIPs[0]: field is immutable"));
        }
        "Service"
            if [before, after].iter().all(|one| one["spec"]["type"] == "LoadBalancer")
                && before["spec"]["loadBalancerClass"] != after["spec"]["loadBalancerClass"] =>
        {
            let why = "spec.loadBalancerClass: Invalid value: may not change once set";
            return Err(Refusal::invalid(kind, name, why));
        }
        "Service" if before["spec"]["ipFamilies"][0] != after["spec"]["ipFamilies"][0] => {
            let why = "spec.ipFamilies[0]: Invalid value: may not change once set";
            return Err(Refusal::invalid(kind, name, why));
        }
        "Service"
            if items(&after["spec"]["ipFamilies"]).len()
                < items(&before["spec"]["ipFamilies"]).len()
                && after["spec"]["ipFamilyPolicy"] != "SingleStack" =>
        {
            let why = "must be 'SingleStack' to release the secondary IP family";
            let why = format!("spec.ipFamilyPolicy: Invalid value: {why}");
            return Err(Refusal::invalid(kind, name, why));
        }
        "StatefulSet" | "Deployment"
            if before["spec"]["selector"] != after["spec"]["selector"]
                || before["spec"]["volumeClaimTemplates"]
                    != after["spec"]["volumeClaimTemplates"] =>
        {
            return Err(Refusal::invalid(kind, name, "spec: field is immutable"));
        }
        "RoleBinding" | "ClusterRoleBinding" if differs("roleRef") => {
            return Err(Refusal::invalid(kind, name, "roleRef: cannot change roleRef"));
        }
        _ => {}
    }
    Ok(())
}
