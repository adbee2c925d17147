//! Who owns which field: `metadata.managedFields`, kept as kube-apiserver keeps it
//! (`apimachinery/pkg/util/managedfields`), and server-side apply on top of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{self, Path};
use super::kinds::Kind;
use super::refusal::Refusal;

/// Who writes, and through which subresource.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub manager: &'a str,
    /// `status`, or empty.
    pub subresource: &'a str,
}

/// An entry of `managedFields`.
struct Entry {
    manager: String,
    operation: String,
    subresource: String,
    fields: BTreeSet<Path>,
}

impl Entry {
    fn new(writer: Writer<'_>, operation: &str) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            operation: operation.to_owned(),
            subresource: writer.subresource.to_owned(),
            fields: BTreeSet::new(),
        }
    }

    fn is_of(&self, writer: Writer<'_>, operation: &str) -> bool {
        self.manager == writer.manager
            && self.subresource == writer.subresource
            && self.operation == operation
    }
}

/// Gives what differs between `before` and `after` to the writer, and takes it from everybody else.
pub fn note_update(kind: &Kind, before: Option<&Value>, after: &mut Value, writer: Writer<'_>) {
    let old = before.map(fields::leaves).unwrap_or_default();
    let new = fields::leaves(after);
    let changed: BTreeSet<Path> = new
        .iter()
        .filter(|(path, value)| old.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    let mut entries = before.map(read).unwrap_or_default();
    for entry in &mut entries {
        entry.fields.retain(|path| new.contains_key(path) && !changed.contains(path));
    }
    if !changed.is_empty() {
        own(&mut entries, writer, "Update").fields.extend(changed);
    }
    write(kind, after, entries);
}

/// `live` after an apply of `wanted`.
pub fn apply(
    kind: &Kind,
    live: &Value,
    wanted: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Refusal> {
    let (old, new) = (fields::leaves(live), fields::leaves(wanted));
    let mut entries = read(live);
    let differs = |path: &Path| old.get(path).is_some_and(|value| *value != new[path]);
    for entry in entries.iter_mut().filter(|entry| !entry.is_of(writer, "Apply")) {
        let lost: Vec<Path> =
            entry.fields.iter().filter(|path| new.contains_key(*path)).cloned().collect();
        for path in lost.into_iter().filter(differs) {
            if !force {
                let owner = &entry.manager;
                let why = format!("conflict with {owner:?}: .{path}");
                return Err(Refusal::conflict(kind, "apply", why));
            }
            entry.fields.remove(&path);
        }
    }
    let wanted_now: BTreeSet<Path> = new.keys().cloned().collect();
    let before =
        std::mem::replace(&mut own(&mut entries, writer, "Apply").fields, wanted_now.clone());
    let mut after = live.clone();
    for path in before.difference(&wanted_now) {
        if !entries.iter().any(|entry| entry.fields.contains(path)) {
            fields::remove(&mut after, path);
        }
    }
    fields::merge(&mut after, wanted);
    write(kind, &mut after, entries);
    Ok(after)
}

fn own<'a>(
    entries: &'a mut Vec<Entry>,
    writer: Writer<'_>,
    operation: &'static str,
) -> &'a mut Entry {
    let position = entries.iter().position(|entry| entry.is_of(writer, operation));
    let index = position.unwrap_or_else(|| {
        entries.push(Entry::new(writer, operation));
        entries.len() - 1
    });
    &mut entries[index]
}

fn read(object: &Value) -> Vec<Entry> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|entry| Entry {
            manager: text(entry, "manager"),
            operation: text(entry, "operation"),
            subresource: text(entry, "subresource"),
            fields: fields::from_fields_v1(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(kind: &Kind, object: &mut Value, entries: Vec<Entry>) {
    let entries = entries.into_iter().filter(|entry| !entry.fields.is_empty()).map(|entry| {
        let mut json = json!({
            "manager": entry.manager, "operation": entry.operation,
            "apiVersion": kind.api_version(), "fieldsType": "FieldsV1",
            "fieldsV1": fields::to_fields_v1(&entry.fields),
        });
        if !entry.subresource.is_empty() {
            json["subresource"] = json!(entry.subresource);
        }
        json
    });
    object["metadata"]["managedFields"] = Value::Array(entries.collect());
}
