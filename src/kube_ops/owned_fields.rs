//! Reads `metadata.managedFields`: which fields of an object are still as we applied them.
//!
//! The API server records per manager the fields it set, as `FieldsV1` (structured-merge-diff's
//! `fieldpath/serialize.go`). When another manager changes or removes one of them, it leaves our entry.
//! So an object is as we last applied it exactly if our entry still names every field of that. Until the first apply,
//! that entry is the one of the POST that made the object.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use nagaya_api::labels;
use serde_json::{Map, Value, json};

/// Fields that the API server never records an owner for: fieldmanager's `stripmeta.go`.
const UNOWNED_ROOT: [&str; 2] = ["apiVersion", "kind"];
const UNOWNED_METADATA: [&str; 8] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// True if our last apply, or the POST before it, still owns every field of `desired`, and this annotation.
#[must_use]
pub fn are_all_ours(live: &ObjectMeta, desired: &Value, annotation: &str) -> bool {
    let api_version = desired.get("apiVersion").and_then(Value::as_str);
    let annotation = json!({"metadata": {"annotations": {annotation: ""}}});
    ours(live)
        .filter(|entry| entry.api_version.as_deref() == api_version)
        .and_then(fields_of)
        .is_some_and(|fields| covers_object(&fields, desired) && covers(&fields, &annotation))
}

/// True if we own every field of `part`, which is a part of such an object.
#[must_use]
pub fn owns(live: &ObjectMeta, part: &Value) -> bool {
    ours(live).and_then(fields_of).is_some_and(|fields| covers(&fields, part))
}

/// True if we have ever made or applied the object, and still own something of it.
#[must_use]
pub fn has_ours(live: &ObjectMeta) -> bool {
    live.managed_fields.iter().flatten().any(is_ours)
}

/// The first field of `desired` that somebody else owns and we do not any more, and that field manager's name.
#[must_use]
pub fn first_taken(live: &ObjectMeta, desired: &Value) -> Option<(String, String)> {
    let entries = || live.managed_fields.iter().flatten();
    let ours = ours(live).and_then(fields_of);
    let desired = without_unowned(desired);
    entries().filter(|entry| !is_ours(entry)).find_map(|entry| {
        let path = taken("", &*fields_of(entry)?, ours.as_deref(), &desired)?;
        Some((path, entry.manager.clone().unwrap_or_else(|| "unknown".to_owned())))
    })
}

/// Walks down what they own, as far as it is desired.
fn taken(path: &str, theirs: &Value, ours: Option<&Value>, desired: &Value) -> Option<String> {
    let Some(fields) = theirs.as_object().filter(|fields| !fields.is_empty()) else {
        return ours.is_none().then(|| path.to_owned());
    };
    fields.iter().filter(|(step, _)| *step != ".").find_map(|(step, below)| {
        let ours = ours.and_then(|fields| fields.get(step));
        let (path, member) = match step.split_once(':')? {
            ("f", name) if path.is_empty() => (name.to_owned(), desired.get(name)?),
            ("f", name) => (format!("{path}.{name}"), desired.get(name)?),
            ("k", text) => {
                let keys: Map<String, Value> = serde_json::from_str(text).ok()?;
                let item = desired.as_array()?.iter().find(|item| has_keys(item, &keys))?;
                let name = keys.values().next().map(ToString::to_string).unwrap_or_default();
                (format!("{path}[{}]", name.trim_matches('"')), item)
            }
            ("v", text) => {
                let value: Value = serde_json::from_str(text).ok()?;
                (format!("{path}[{value}]"), desired.as_array()?.iter().find(|one| **one == value)?)
            }
            _ => return None,
        };
        taken(&path, below, ours, member)
    })
}

/// Drops what others own from `metadata.managedFields`, and makes text of ours: caches of our objects need only what
/// [`are_all_ours`] reads, and as trees these were most of what a cached object takes (50 KiB for a StatefulSet, of
/// which the text is 4).
pub fn keep_only_ours(live: &mut ObjectMeta) {
    let Some(entries) = &mut live.managed_fields else { return };
    entries.retain(is_ours);
    let trees = entries.iter_mut().filter_map(|entry| entry.fields_v1.as_mut());
    for fields in trees.filter(|fields| !fields.0.is_string()) {
        let mut text = fields.0.to_string();
        text.shrink_to_fit();
        fields.0 = Value::String(text);
    }
}

/// The field set of an entry, also of one that [`keep_only_ours`] has made text of.
pub(super) fn fields_of(entry: &ManagedFieldsEntry) -> Option<Cow<'_, Value>> {
    match &entry.fields_v1.as_ref()?.0 {
        Value::String(text) => serde_json::from_str(text).ok().map(Cow::Owned),
        tree => Some(Cow::Borrowed(tree)),
    }
}

/// What we own by an apply, or else by the POST of before.
fn ours(live: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let entries = live.managed_fields.iter().flatten().filter(|entry| is_ours(entry));
    // `Apply` comes before `Update`.
    entries.min_by_key(|entry| entry.operation.as_deref())
}

pub(super) fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(labels::MANAGER)
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

fn without_unowned(desired: &Value) -> Value {
    let mut owned = desired.clone();
    if let Some(root) = owned.as_object_mut() {
        root.retain(|key, _| !UNOWNED_ROOT.contains(&key.as_str()));
    }
    if let Some(metadata) = owned.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !UNOWNED_METADATA.contains(&key.as_str()));
    }
    owned
}

/// [`covers`] for a whole object, past what has no owner.
fn covers_object(fields: &Value, object: &Value) -> bool {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return true;
    };
    covers_members(fields, object, &UNOWNED_ROOT, |name, below, member| match below.as_object() {
        Some(below) if name == "metadata" && !below.is_empty() => {
            covers_members(below, member, &UNOWNED_METADATA, |_, below, member| {
                covers(below, member)
            })
        }
        _ => covers(below, member),
    })
}

/// Whether `covers` of each member but those named, which nothing need cover.
fn covers_members(
    fields: &Map<String, Value>,
    value: &Value,
    unowned: &[&str],
    covers: impl Fn(&str, &Value, &Value) -> bool,
) -> bool {
    let members = value.as_object().into_iter().flatten();
    members.filter(|(name, _)| !unowned.contains(&name.as_str())).all(|(name, member)| {
        member.is_null()
            || fields.get(&format!("f:{name}")).is_some_and(|below| covers(name, below, member))
    })
}

/// True if the field set names every leaf of `value`. An empty set is a leaf itself, or an atomic list,
/// map or struct: all below it is owned as one.
fn covers(fields: &Value, value: &Value) -> bool {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return true;
    };
    match value {
        Value::Object(_) => {
            covers_members(fields, value, &[], |_, below, member| covers(below, member))
        }
        Value::Array(items) => {
            let known: Vec<Item> = fields.iter().filter_map(Item::of).collect();
            items.iter().all(|item| known.iter().any(|known| known.covers(item)))
        }
        _ => true,
    }
}

/// What a field set says of an item of a list.
enum Item<'a> {
    /// Of a set: `v:VALUE`.
    Value(Value),
    /// Of a list with map keys: `k:{KEYS}`, and what is below.
    Keys(Map<String, Value>, &'a Value),
}

impl<'a> Item<'a> {
    fn of((step, below): (&String, &'a Value)) -> Option<Self> {
        match step.split_once(':')? {
            ("v", text) => serde_json::from_str(text).ok().map(Self::Value),
            ("k", text) => serde_json::from_str(text).ok().map(|keys| Self::Keys(keys, below)),
            _ => None,
        }
    }

    fn covers(&self, item: &Value) -> bool {
        match self {
            Self::Value(value) => value == item,
            Self::Keys(keys, below) => has_keys(item, keys) && covers(below, item),
        }
    }
}

/// A key that the item does not give has its default there (a port's `protocol`).
pub(super) fn has_keys(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(name, value)| item.get(name).is_none_or(|given| given == value))
}

#[cfg(test)]
mod tests;
