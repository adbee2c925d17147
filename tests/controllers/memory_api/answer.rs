//! What is answered to everything but watches: the object or list that was asked for, or a refusal.

use serde_json::{Value, json};

use super::admission;
use super::ownership::Writer;
use super::preconditions;
use super::refusal::Refusal;
use super::request::{Request, Verb};
use super::select::Selector;
use super::store::{Id, Store};
use super::writes;

/// Does what is asked for; with the status code.
pub fn answer(store: &mut Store, request: &Request) -> Result<(u16, Value), Refusal> {
    let kind = request.kind;
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let id = Id::new(kind, namespace, request.name.as_deref().unwrap_or_default());
    let subresource = request.subresource.as_deref().unwrap_or_default();
    if !matches!(subresource, "" | "status") {
        return Err(Refusal::not_played(format_args!("serve {}/{subresource}", kind.plural)));
    }
    let writer = Writer { manager: request.field_manager(), subresource };
    let is_there = store.get(&id).is_some();
    let answer = match request.verb {
        Verb::Get => store.get(&id).cloned().ok_or_else(|| Refusal::not_found(kind, &id.name)),
        // Everybody may do everything.
        Verb::Review => Ok(with_status(&request.body, &json!({"allowed": true}))),
        Verb::List | Verb::Watch => list(store, request),
        Verb::Create => writes::create(store, kind, namespace, &request.body, writer),
        Verb::Update => update(store, request, &id, writer),
        Verb::MergePatch => writes::change(store, kind, &id, writer, |live| {
            let mut patched = live.clone();
            // What the patch does not name is not a precondition.
            patched["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            merge_patch(&mut patched, &request.body);
            preconditions::check_uid(kind, live, &patched["metadata"], subresource)?;
            Ok(patched)
        }),
        Verb::Apply => apply(store, request, &id, writer),
        Verb::Delete => writes::delete(store, kind, &id, &request.body),
    }?;
    let is_new = match request.verb {
        Verb::Create | Verb::Review => true,
        Verb::Update | Verb::Apply => !is_there,
        _ => false,
    };
    Ok((if is_new { 201 } else { 200 }, answer))
}

fn update(
    store: &mut Store,
    request: &Request,
    id: &Id,
    writer: Writer<'_>,
) -> Result<Value, Refusal> {
    let kind = request.kind;
    let body = admission::named_as_path(kind, id, &request.body)?;
    if store.get(id).is_none() && writer.subresource.is_empty() && kind.is_created_by_update() {
        return writes::create_by_update(store, kind, id, &body, writer);
    }
    writes::change(store, kind, id, writer, |live| {
        preconditions::check(kind, live, &body["metadata"])?;
        if kind.is_changed_by_version() && body["metadata"]["resourceVersion"].is_null() {
            let why = "metadata.resourceVersion: must be specified for an update";
            return Err(Refusal::invalid(kind, &id.name, why));
        }
        Ok(body)
    })
}

fn apply(
    store: &mut Store,
    request: &Request,
    id: &Id,
    writer: Writer<'_>,
) -> Result<Value, Refusal> {
    if request.parameter("fieldManager").is_none() {
        let why = "fieldManager: Required value: is required for apply patch";
        return Err(Refusal::new(422, "Invalid", why));
    }
    let body = admission::named_as_path(request.kind, id, &request.body)?;
    let force = request.parameter("force") == Some("true");
    writes::apply(store, request.kind, id, &body, writer, force)
}

/// One page, whatever the limit: a server may give more than was asked for.
fn list(store: &Store, request: &Request) -> Result<Value, Refusal> {
    if store.forbidden.contains(request.kind.name) {
        let message = format!("{} is forbidden: cannot list", request.kind.resource());
        return Err(Refusal::new(403, "Forbidden", message));
    }
    let selector = Selector::of(request)?;
    let items: Vec<Value> = store
        .of_kind(request.kind, request.namespace.as_deref())
        .filter(|object| selector.matches(object))
        .map(|object| as_item(request, object.clone()))
        .collect();
    let metadata = json!({"resourceVersion": store.version().max(1).to_string()});
    if request.metadata_only {
        let items = if items.is_empty() { Value::Null } else { items.into() };
        return Ok(json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": metadata, "items": items,
        }));
    }
    Ok(json!({
        "apiVersion": request.kind.api_version(), "kind": format!("{}List", request.kind.name),
        "metadata": metadata, "items": items,
    }))
}

/// The kind of an item goes without saying, unless its schema came with a definition.
fn as_item(request: &Request, object: Value) -> Value {
    let mut item = as_asked(request.metadata_only, object);
    if !request.metadata_only && !request.kind.is_defined() {
        let members = item.as_object_mut().unwrap();
        members.remove("apiVersion");
        members.remove("kind");
    }
    item
}

/// The object, or as much of it as was asked for.
pub fn as_asked(metadata_only: bool, object: Value) -> Value {
    if !metadata_only || object.get("items").is_some() || object["kind"] == "Status" {
        return object;
    }
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

fn with_status(review: &Value, status: &Value) -> Value {
    let mut answer = review.clone();
    answer["status"] = status.clone();
    answer
}

/// RFC 7386.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, member) in members {
        if member.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge_patch(&mut target[name], member);
        }
    }
}
