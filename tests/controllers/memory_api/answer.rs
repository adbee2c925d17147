//! What is answered to everything but watches: the object or list that was asked for, or a refusal.

use serde_json::{Value, json};

use super::ownership::Writer;
use super::refusal::Refusal;
use super::request::{Request, Verb};
use super::select::Selector;
use super::store::{Id, Store};
use super::writes;

/// Does what is asked for.
pub fn answer(store: &mut Store, request: &Request) -> Result<Value, Refusal> {
    let kind = request.kind;
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let id = Id::new(kind, namespace, request.name.as_deref().unwrap_or_default());
    let subresource = request.subresource.as_deref().unwrap_or_default();
    if !matches!(subresource, "" | "status") {
        return Err(Refusal::not_played(format_args!("serve {}/{subresource}", kind.plural)));
    }
    let writer = Writer { manager: request.field_manager(), subresource };
    match request.verb {
        Verb::Get => store.get(&id).cloned().ok_or_else(|| Refusal::not_found(kind, &id.name)),
        // Everybody may do everything.
        Verb::Review => Ok(with_status(&request.body, &json!({"allowed": true}))),
        Verb::List | Verb::Watch => list(store, request),
        Verb::Create => writes::create(store, kind, namespace, &request.body, writer),
        Verb::Update => writes::change(store, kind, &id, writer, |_| Ok(request.body.clone())),
        Verb::MergePatch => writes::change(store, kind, &id, writer, |live| {
            let mut patched = live.clone();
            // What the patch does not name is not a precondition.
            patched["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            merge_patch(&mut patched, &request.body);
            Ok(patched)
        }),
        Verb::Apply => {
            let force = request.parameter("force") == Some("true");
            writes::apply(store, kind, &id, &request.body, writer, force)
        }
        Verb::Delete => writes::delete(store, kind, &id, &request.body),
    }
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
        .map(|object| as_asked(request.metadata_only, object.clone()))
        .collect();
    let version = store.version().max(1).to_string();
    Ok(json!({
        "apiVersion": request.kind.api_version(), "kind": format!("{}List", request.kind.name),
        "metadata": {"resourceVersion": version}, "items": items,
    }))
}

/// The object, or as much of it as was asked for.
pub fn as_asked(metadata_only: bool, object: Value) -> Value {
    if !metadata_only || object.get("items").is_some() {
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
