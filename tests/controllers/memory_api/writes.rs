//! Create, change and delete, with the life of an object in between: versions, generations, finalizers.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admission;
use super::fields;
use super::kinds::Kind;
use super::ownership::{self, Writer};
use super::preconditions;
use super::refusal::Refusal;
use super::store::{Id, Store};
use super::zeros;

/// What belongs to the server: a writer's value counts for nothing.
const OF_THE_SERVER: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// POST.
pub fn create(
    store: &mut Store,
    kind: &'static Kind,
    namespace: &str,
    body: &Value,
    writer: Writer<'_>,
) -> Result<Arc<Value>, Refusal> {
    let mut object = fields::without_nulls(body);
    for field in OF_THE_SERVER.iter().chain(&["resourceVersion"]) {
        object["metadata"].as_object_mut().unwrap().remove(*field);
    }
    if let Some(prefix) = object["metadata"]["generateName"].as_str() {
        let name = format!("{prefix}{:05}", store.version());
        object["metadata"]["name"] = json!(name);
    }
    if kind.has_status && kind.name != "Pod" {
        object.as_object_mut().unwrap().remove("status");
    }
    admission::decode(kind, &mut object);
    ownership::note_update(kind, None, &Value::Null, &mut object, writer);
    birth(store, kind, namespace, object)
}

/// PUT of what is not there.
pub fn create_by_update(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    body: &Value,
    writer: Writer<'_>,
) -> Result<Arc<Value>, Refusal> {
    // Nothing has the UID of what is not there; the version is not looked at.
    let nothing = json!({"metadata": {"name": id.name}});
    preconditions::check(kind, &nothing, &json!({"uid": body["metadata"]["uid"]}))?;
    create(store, kind, &id.namespace, body, writer)
}

/// Server-side apply of what is not there.
fn create_by_apply(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    wanted: &Value,
    writer: Writer<'_>,
) -> Result<Arc<Value>, Refusal> {
    if !writer.subresource.is_empty() {
        return Err(Refusal::not_found(kind, &id.name));
    }
    if let Some(uid) = wanted["metadata"].get("uid") {
        let why = format!("uid mismatch: {uid} was asked for and no object exists");
        return Err(Refusal::conflict(kind, &id.name, why));
    }
    // Nobody else owns a field: there is nothing to force.
    let mut object = ownership::apply(kind, None, wanted, writer, false)?;
    object["metadata"]["name"] = json!(id.name);
    let leaves_emptiness = admission::decode(kind, &mut object) && kind.is_defined();
    let born = birth(store, kind, &id.namespace, object)?;
    if leaves_emptiness {
        store.unsettled.insert(id.clone());
    }
    Ok(born)
}

/// A new object, of a POST or of an apply.
fn birth(
    store: &mut Store,
    kind: &'static Kind,
    namespace: &str,
    mut object: Value,
) -> Result<Arc<Value>, Refusal> {
    let name = object["metadata"]["name"].as_str().map(str::to_owned);
    let name = name.ok_or_else(|| Refusal::invalid(kind, "", "metadata.name: Required value"))?;
    admission::check_name(kind, &name)?;
    let id = Id::new(kind, namespace, &name);
    if store.get(&id).is_some() {
        return Err(Refusal::already_exists(kind, &name));
    }
    admission::check_namespace(store, kind, namespace)?;
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.name);
    if kind.namespaced {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object["metadata"]["uid"] = json!(store.next_uid());
    object["metadata"]["creationTimestamp"] = json!(now());
    if kind.has_generation {
        object["metadata"]["generation"] = json!(1);
    }
    admission::check(kind, &object)?;
    admission::check_ports(store, kind, &object)?;
    admission::complete(store, kind, &mut object);
    zeros::fill_status(kind, &mut object);
    admission::mutate(store, &id, &mut object);
    Ok(store.put(id, object))
}

/// PUT, and every PATCH once it is known what comes out of it: `change` gets the live object.
pub fn change(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    writer: Writer<'_>,
    change: impl FnOnce(&Value) -> Result<Value, Refusal>,
) -> Result<Arc<Value>, Refusal> {
    let before = live(store, kind, id)?;
    let mut wanted = change(&before)?;
    preconditions::check_version(kind, &before, &wanted["metadata"])?;
    if wanted == *before && store.is_settled(id) {
        return Ok(before);
    }
    let said = wanted["metadata"]["managedFields"].take();
    let mut after = keep_apart(kind, &before, wanted, writer.subresource);
    admission::decode(kind, &mut after);
    zeros::fill_status(kind, &mut after);
    if writer.subresource.is_empty() {
        admission::mutate(store, id, &mut after);
    }
    ownership::note_update(kind, Some(&before), &said, &mut after, writer);
    settle(store, kind, id, &before, after)
}

/// Server-side apply.
pub fn apply(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    mut wanted: Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Arc<Value>, Refusal> {
    fields::drop_nulls(&mut wanted);
    if wanted["metadata"].get("managedFields").is_some() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    if wanted["kind"] != kind.name || wanted["apiVersion"] != kind.api_version() {
        return Err(Refusal::bad_request(format!("the body is no {}", kind.name)));
    }
    let Some(before) = store.get(id).cloned() else {
        return create_by_apply(store, kind, id, &wanted, writer);
    };
    preconditions::check_version(kind, &before, &wanted["metadata"])?;
    if kind.has_status {
        let other = if writer.subresource == "status" { "spec" } else { "status" };
        wanted.as_object_mut().unwrap().remove(other);
    }
    let mut after = ownership::apply(kind, Some(&before), &wanted, writer, force)?;
    preconditions::check_uid(kind, &before, &wanted["metadata"], writer.subresource)?;
    admission::check_emptied(kind, &before, &after)?;
    let managed = after["metadata"].as_object_mut().unwrap().remove_entry("managedFields");
    let mut after = keep_apart(kind, &before, after, writer.subresource);
    let metadata = after["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    metadata.extend(managed);
    let leaves_emptiness = admission::decode(kind, &mut after) && kind.is_defined();
    zeros::fill_status(kind, &mut after);
    if writer.subresource.is_empty() {
        admission::mutate(store, id, &mut after);
    }
    let settled = settle(store, kind, id, &before, after)?;
    if leaves_emptiness {
        store.unsettled.insert(id.clone());
    }
    Ok(settled)
}

/// What a DELETE asks for (`DeleteOptions`).
pub fn delete(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    options: &Value,
) -> Result<Arc<Value>, Refusal> {
    let before = live(store, kind, id)?;
    preconditions::check(kind, &before, &options["preconditions"])?;
    if !matches!(options["propagationPolicy"].as_str(), None | Some("Background")) {
        let policy = &options["propagationPolicy"];
        return Err(Refusal::not_played(format_args!("delete with propagationPolicy {policy}")));
    }
    let mut after = before.as_ref().clone();
    if is_held(&before) || kind.name == "Pod" {
        mark_as_deleted(kind, &mut after, options);
        return settle(store, kind, id, &before, after);
    }
    let version = store.remove(id);
    if !kind.is_returned_when_deleted() {
        return Ok(Arc::new(deleted(kind, &before)));
    }
    after["metadata"]["resourceVersion"] = json!(version.to_string());
    Ok(Arc::new(after))
}

/// What a DELETE answers that has nothing left to show.
fn deleted(kind: &Kind, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut details =
        json!({"name": metadata["name"], "kind": kind.plural, "uid": metadata["uid"]});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}

fn mark_as_deleted(kind: &Kind, after: &mut Value, options: &Value) {
    let metadata = &mut after["metadata"];
    if metadata.get("deletionTimestamp").is_none() {
        metadata["deletionTimestamp"] = json!(now());
        if kind.name != "Pod" && kind.name != "Namespace" {
            metadata["deletionGracePeriodSeconds"] = json!(0);
        }
        if let Some(generation) = metadata["generation"].as_i64() {
            metadata["generation"] = json!(generation + 1);
        }
    }
    match kind.name {
        "Namespace" => after["status"]["phase"] = json!("Terminating"),
        "Pod" => {
            let asked = options["gracePeriodSeconds"].as_i64();
            let usual = after["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            let given = after["metadata"]["deletionGracePeriodSeconds"].as_i64();
            let grace = asked.unwrap_or(usual).min(given.unwrap_or(i64::MAX));
            after["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        }
        _ => {}
    }
}

fn live(store: &Store, kind: &Kind, id: &Id) -> Result<Arc<Value>, Refusal> {
    store.get(id).cloned().ok_or_else(|| Refusal::not_found(kind, &id.name))
}

/// Stores what came out, or lets the object go if nothing holds it any more.
fn settle(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    before: &Value,
    mut after: Value,
) -> Result<Arc<Value>, Refusal> {
    admission::keep_allocated(kind, before, &mut after);
    if kind.name == "Service" {
        admission::give_ports(store, &mut after);
    }
    admission::check(kind, &after)?;
    admission::check_change(kind, before, &after)?;
    if kind.has_generation && counted(kind, before) != counted(kind, &after) {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or_default();
        after["metadata"]["generation"] = json!(generation + 1);
    }
    if is_free_to_go(&after) {
        store.remove(id);
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        return Ok(Arc::new(after));
    }
    Ok(store.put(id.clone(), after))
}

fn is_free_to_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata.get("deletionTimestamp").is_some()
        && !is_held(object)
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

fn is_held(object: &Value) -> bool {
    let held = |finalizers: &Value| finalizers.as_array().is_some_and(|all| !all.is_empty());
    held(&object["metadata"]["finalizers"]) || held(&object["spec"]["finalizers"])
}

/// What makes a new generation: all but metadata and status, and the metadata that goes on to what is made of it.
fn counted<'a>(kind: &Kind, object: &'a Value) -> (Vec<(&'a String, &'a Value)>, &'a Value) {
    let members = object.as_object().into_iter().flatten();
    let rest = members.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"));
    let metadata = &object["metadata"];
    let passed_on = match kind.name {
        "Deployment" => &metadata["annotations"],
        "EndpointSlice" => &metadata["labels"],
        _ => &Value::Null,
    };
    (rest.collect(), passed_on)
}

/// A write of the status changes nothing else, and the other way round; nobody writes the server's part.
fn keep_apart(kind: &Kind, before: &Value, mut wanted: Value, subresource: &str) -> Value {
    fields::drop_nulls(&mut wanted);
    let (mut after, status) = if subresource == "status" {
        (before.clone(), wanted.as_object_mut().unwrap().remove("status"))
    } else {
        (wanted, before.get("status").cloned())
    };
    if kind.has_status {
        match status {
            Some(status) => after["status"] = status,
            None => {
                after.as_object_mut().unwrap().remove("status");
            }
        }
    }
    if kind.name == "Namespace" && subresource != "finalize" {
        after["spec"] = before["spec"].clone();
    }
    for field in OF_THE_SERVER {
        match before["metadata"].get(field) {
            Some(value) => after["metadata"][field] = value.clone(),
            None => {
                after["metadata"].as_object_mut().unwrap().remove(field);
            }
        }
    }
    after
}

/// RFC 3339 in whole seconds, as `metav1.Time`.
pub fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
