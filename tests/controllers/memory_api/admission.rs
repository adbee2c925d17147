//! What kube-apiserver adds to a new object, and what it refuses of a changed one.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::refusal::Refusal;
use super::store::{Id, Store};

const FIRST_NODE_PORT: usize = 30_000;

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

/// Fills in what a new object does not say.
pub fn complete(store: &Store, kind: &Kind, object: &mut Value) {
    match kind.name {
        "Namespace" => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] =
                object["metadata"]["name"].clone();
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "Service" => complete_service(store, object),
        "Secret" => encode(object),
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
    if object["spec"]["type"] == "NodePort" {
        let others = services().filter(|one| one["spec"]["type"] == "NodePort").count();
        for (port, index) in object["spec"]["ports"].as_array_mut().into_iter().flatten().zip(0..) {
            if port.get("nodePort").is_none() {
                port["nodePort"] = json!(FIRST_NODE_PORT + 10 * others + index);
            }
        }
    }
}

/// A port that was given to a Service stays if a writer does not name one (`patchAllocatedValues`).
pub fn keep_allocated(kind: &Kind, before: &Value, after: &mut Value) {
    if kind.name != "Service" || after["spec"]["type"] != "NodePort" {
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

/// Refuses to change what cannot be changed.
pub fn check_change(kind: &Kind, before: &Value, after: &Value) -> Result<(), Refusal> {
    let name = before["metadata"]["name"].as_str().unwrap_or_default();
    let differs = |field: &str| before.get(field) != after.get(field);
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
