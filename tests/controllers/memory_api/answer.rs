//! What is answered to everything but watches: the object or list that was asked for, or a refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::admission;
use super::kinds::Kind;
use super::ownership::Writer;
use super::preconditions;
use super::refusal::Refusal;
use super::request::{Request, Verb};
use super::select::Selector;
use super::store::{Id, Store};
use super::writes;

/// The group in which an object is its metadata alone.
const META: &str = "meta.k8s.io/v1";

/// What was found or made.
pub enum Answered {
    One(Arc<Value>),
    List { kind: &'static Kind, version: u64, items: Vec<Arc<Value>> },
}

impl Answered {
    /// Its JSON.
    pub fn told(&self, metadata_only: bool) -> String {
        let (kind, version, items) = match self {
            Self::One(object) => return json(&AsAsked::of(object, metadata_only)),
            Self::List { kind, version, items } => (kind, version, items),
        };
        let (api_version, name) = if metadata_only {
            (META.to_owned(), "PartialObjectMetadata")
        } else {
            (kind.api_version(), kind.name)
        };
        let items = items.iter().map(|object| AsAsked::item(kind, object, metadata_only));
        let items: Vec<AsAsked<'_>> = items.collect();
        json(&List {
            api_version,
            kind: format!("{name}List"),
            metadata: json!({"resourceVersion": version.to_string()}),
            items: (!metadata_only || !items.is_empty()).then_some(items),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: String,
    kind: String,
    metadata: Value,
    items: Option<Vec<AsAsked<'a>>>,
}

/// An object, or as much of it as was asked for.
#[derive(Serialize)]
#[serde(untagged)]
pub enum AsAsked<'a> {
    Whole(&'a Value),
    Item(BTreeMap<&'a String, &'a Value>),
    #[serde(rename_all = "camelCase")]
    Metadata {
        api_version: &'static str,
        kind: &'static str,
        metadata: &'a Value,
    },
}

impl<'a> AsAsked<'a> {
    pub fn of(object: &'a Value, metadata_only: bool) -> Self {
        if !metadata_only || object["kind"] == "Status" {
            return Self::Whole(object);
        }
        let metadata = &object["metadata"];
        Self::Metadata { api_version: META, kind: "PartialObjectMetadata", metadata }
    }

    /// The kind of an item goes without saying, unless its schema came with a definition.
    fn item(kind: &Kind, object: &'a Value, metadata_only: bool) -> Self {
        if metadata_only || kind.is_defined() {
            return Self::of(object, metadata_only);
        }
        let members = object.as_object().into_iter().flatten();
        let said = members.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind"));
        Self::Item(said.collect())
    }
}

/// Written straight from what is stored: a copy for each answer was most of what a story costs.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// Does what is asked for; with the status code.
pub fn answer(store: &mut Store, request: &Request) -> Result<(u16, Answered), Refusal> {
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
        Verb::Review => Ok(Arc::new(with_status(&request.body, &json!({"allowed": true})))),
        Verb::List | Verb::Watch => return Ok((200, list(store, request)?)),
        Verb::Create => writes::create(store, kind, namespace, &request.body, writer),
        Verb::Update => update(store, request, &id, writer),
        Verb::MergePatch => writes::change(store, kind, &id, writer, |live| {
            let mut patched = live.clone();
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
    Ok((if is_new { 201 } else { 200 }, Answered::One(answer)))
}

fn update(
    store: &mut Store,
    request: &Request,
    id: &Id,
    writer: Writer<'_>,
) -> Result<Arc<Value>, Refusal> {
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
) -> Result<Arc<Value>, Refusal> {
    if request.parameter("fieldManager").is_none() {
        let why = "fieldManager: Required value: is required for apply patch";
        return Err(Refusal::new(422, "Invalid", why));
    }
    let body = admission::named_as_path(request.kind, id, &request.body)?;
    let force = request.parameter("force") == Some("true");
    writes::apply(store, request.kind, id, body, writer, force)
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
