//! What is answered to everything but watches: the object or list that was asked for, or a refusal.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::ownership::Writer;
use super::refusal::Refusal;
use super::request::{Request, Verb};
use super::select::Selector;
use super::store::{Id, Store};
use super::writes;

/// What was found or made.
pub enum Answered {
    One(Arc<Value>),
    List { kind: &'static Kind, version: u64, items: Vec<Arc<Value>> },
}

impl Answered {
    /// Its JSON.
    pub fn told(&self, metadata_only: bool) -> String {
        match self {
            Self::One(object) => json(&AsAsked::of(object, metadata_only)),
            Self::List { kind, version, items } => json(&List {
                api_version: kind.api_version(),
                kind: format!("{}List", kind.name),
                metadata: json!({"resourceVersion": version.to_string()}),
                items: items.iter().map(|object| AsAsked::of(object, metadata_only)).collect(),
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: String,
    kind: String,
    metadata: Value,
    items: Vec<AsAsked<'a>>,
}

/// An object, or as much of it as was asked for.
#[derive(Serialize)]
#[serde(untagged)]
pub enum AsAsked<'a> {
    Whole(&'a Value),
    #[serde(rename_all = "camelCase")]
    Metadata {
        api_version: &'static str,
        kind: &'static str,
        metadata: &'a Value,
    },
}

impl<'a> AsAsked<'a> {
    pub fn of(object: &'a Value, metadata_only: bool) -> Self {
        if !metadata_only {
            return Self::Whole(object);
        }
        let metadata = &object["metadata"];
        Self::Metadata { api_version: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata }
    }
}

/// Written straight from what is stored: a copy for each answer was most of what a story costs.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// Does what is asked for.
pub fn answer(store: &mut Store, request: &Request) -> Result<Answered, Refusal> {
    let kind = request.kind;
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let id = Id::new(kind, namespace, request.name.as_deref().unwrap_or_default());
    let subresource = request.subresource.as_deref().unwrap_or_default();
    if !matches!(subresource, "" | "status") {
        return Err(Refusal::not_played(format_args!("serve {}/{subresource}", kind.plural)));
    }
    let writer = Writer { manager: request.field_manager(), subresource };
    let answer = match request.verb {
        Verb::Get => store.get(&id).cloned().ok_or_else(|| Refusal::not_found(kind, &id.name)),
        // Everybody may do everything.
        Verb::Review => Ok(Arc::new(with_status(&request.body, &json!({"allowed": true})))),
        Verb::List | Verb::Watch => return list(store, request),
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
    };
    answer.map(Answered::One)
}

/// One page, whatever the limit: a server may give more than was asked for.
fn list(store: &Store, request: &Request) -> Result<Answered, Refusal> {
    if store.forbidden.contains(request.kind.name) {
        let message = format!("{} is forbidden: cannot list", request.kind.resource());
        return Err(Refusal::new(403, "Forbidden", message));
    }
    let selector = Selector::of(request)?;
    let items = store
        .of_kind(request.kind, request.namespace.as_deref())
        .filter(|object| selector.matches(object))
        .cloned()
        .collect();
    Ok(Answered::List { kind: request.kind, version: store.version().max(1), items })
}

fn with_status(review: &Value, status: &Value) -> Value {
    let mut answer = review.clone();
    answer["status"] = status.clone();
    answer
}

/// Whether [`merge_patch`] would change nothing.
pub fn is_merged(target: &Value, patch: &Value) -> bool {
    let Value::Object(members) = patch else { return target == patch };
    target.is_object()
        && members.iter().all(|(name, member)| match target.get(name) {
            Some(target) => !member.is_null() && is_merged(target, member),
            None => member.is_null(),
        })
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
