//! Create, change and delete, with the life of an object in between: versions, generations, finalizers.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admission;
use super::fields;
use super::kinds::Kind;
use super::ownership::{self, Writer};
use super::refusal::Refusal;
use super::store::{Id, Store};

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
    ownership::note_update(kind, None, &mut object, writer);
    birth(store, kind, namespace, object)
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
    admission::check_ports(store, kind, &object)?;
    admission::complete(store, kind, &mut object);
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
    let wanted = change(&before)?;
    check_preconditions(kind, &before, &wanted["metadata"])?;
    if wanted == *before && !store.mutations.contains_key(id) {
        return Ok(before);
    }
    let mut after = keep_apart(kind, &before, wanted, writer.subresource);
    if writer.subresource.is_empty() {
        admission::mutate(store, id, &mut after);
    }
    ownership::note_update(kind, Some(&before), &mut after, writer);
    settle(store, kind, id, &before, after)
}

/// Server-side apply.
pub fn apply(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    wanted: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Arc<Value>, Refusal> {
    if wanted["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let mut wanted = fields::without_nulls(wanted);
    if wanted["kind"] != kind.name || wanted["apiVersion"] != kind.api_version() {
        return Err(Refusal::bad_request(format!("the body is no {}", kind.name)));
    }
    let Some(before) = store.get(id).cloned() else {
        if let Some(uid) = wanted["metadata"].get("uid") {
            let why = format!("uid mismatch: {uid} was asked for and no object exists");
            return Err(Refusal::conflict(kind, &id.name, why));
        }
        if !writer.subresource.is_empty() {
            return Err(Refusal::not_found(kind, &id.name));
        }
        let empty = json!({"metadata": {"name": id.name}});
        let object = ownership::apply(kind, &empty, &wanted, writer, force)?;
        return birth(store, kind, &id.namespace, object);
    };
    check_preconditions(kind, &before, &wanted["metadata"])?;
    if kind.has_status {
        let other = if writer.subresource == "status" { "spec" } else { "status" };
        wanted.as_object_mut().unwrap().remove(other);
    }
    let mut after = ownership::apply(kind, &before, &wanted, writer, force)?;
    let managed = after["metadata"]["managedFields"].take();
    let mut after = keep_apart(kind, &before, after, writer.subresource);
    after["metadata"]["managedFields"] = managed;
    if writer.subresource.is_empty() {
        admission::mutate(store, id, &mut after);
    }
    settle(store, kind, id, &before, after)
}

/// What a DELETE asks for (`DeleteOptions`).
pub fn delete(
    store: &mut Store,
    kind: &'static Kind,
    id: &Id,
    options: &Value,
) -> Result<Arc<Value>, Refusal> {
    let before = live(store, kind, id)?;
    check_preconditions(kind, &before, &options["preconditions"])?;
    if !matches!(options["propagationPolicy"].as_str(), None | Some("Background")) {
        let policy = &options["propagationPolicy"];
        return Err(Refusal::not_played(format_args!("delete with propagationPolicy {policy}")));
    }
    let mut after = before.as_ref().clone();
    let metadata = &mut after["metadata"];
    if metadata.get("deletionTimestamp").is_none() {
        metadata["deletionTimestamp"] = json!(now());
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
    settle(store, kind, id, &before, after)
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
    admission::check_change(kind, before, &after)?;
    if kind.has_generation && spec_of(before).ne(spec_of(&after)) {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or_default();
        after["metadata"]["generation"] = json!(generation + 1);
    }
    if is_free_to_go(&after) {
        store.remove(id);
        return Ok(Arc::new(after));
    }
    Ok(store.put(id.clone(), after))
}

fn is_free_to_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let held = |finalizers: &Value| finalizers.as_array().is_some_and(|all| !all.is_empty());
    metadata.get("deletionTimestamp").is_some()
        && !held(&metadata["finalizers"])
        && !held(&object["spec"]["finalizers"])
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

/// All but metadata and status.
fn spec_of(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = object.as_object().into_iter().flatten();
    members.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"))
}

fn check_preconditions(kind: &Kind, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    for field in ["uid", "resourceVersion"] {
        let (have, want) = (&live["metadata"][field], &wanted[field]);
        if !want.is_null() && have != want {
            let why = format!("Precondition failed: {field} is {have}, not {want}");
            return Err(Refusal::conflict(kind, name, why));
        }
    }
    Ok(())
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
