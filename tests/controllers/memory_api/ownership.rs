//! Who owns which field: `metadata.managedFields`, kept as kube-apiserver keeps it
//! (`apimachinery/pkg/util/managedfields`), and server-side apply on top of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{self, Difference};
use super::kinds::Kind;
use super::path::{self, Path};
use super::refusal::Refusal;
use super::zeros;

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

    /// A field is owned with what is in it, an item of a list is not (`Set.EnsureNamedFieldsAreMembers`).
    fn owns(&self, path: &Path) -> bool {
        let named = path.steps().next_back().is_some_and(|step| step.starts_with("f:"));
        let next = self.fields.range(path..).next();
        next.is_some_and(|field| field == path || (named && field.starts_with(path)))
    }

    fn is_of(&self, writer: Writer<'_>, operation: &str) -> bool {
        self.manager == writer.manager
            && self.subresource == writer.subresource
            && self.operation == operation
    }
}

/// Gives what differs between `before` and `after` to the writer, and takes it from everybody else
/// (`merge.Updater.Update`). `said` are the `managedFields` that the writer has sent: a PUT may say who owns what.
pub fn note_update(
    kind: &Kind,
    before: Option<&Value>,
    said: &Value,
    after: &mut Value,
    writer: Writer<'_>,
) {
    let mut entries = read(said);
    if entries.is_empty() {
        entries = before.map(read_of).unwrap_or_default();
    }
    // Nobody's fields are known: that stays so until the first apply (`skipNonAppliedManager`).
    if before.is_none() || !entries.is_empty() {
        let empty = zeros::empty(kind);
        let difference = Difference::between(before.unwrap_or(&empty), after);
        take(&mut entries, &difference, |_| true);
        own(&mut entries, writer, "Update").fields.extend(difference.written);
    }
    write(kind, after, entries);
}

/// What was written or removed is no longer theirs.
fn take(entries: &mut [Entry], difference: &Difference, theirs: impl Fn(&Entry) -> bool) {
    for entry in entries.iter_mut().filter(|entry| theirs(entry)) {
        let Difference { written, removed } = difference;
        entry.fields.retain(|path| !written.contains(path) && !removed.contains(path));
    }
}

/// `live` after an apply of `wanted` (`merge.Updater.Apply`); `None`: it comes into being.
pub fn apply(
    kind: &Kind,
    live: Option<&Value>,
    wanted: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Refusal> {
    let empty = zeros::empty(kind);
    let mut entries = live.map(read_of).unwrap_or_default();
    if let (Some(live), true) = (live, entries.is_empty()) {
        let nobody = Writer { manager: "before-first-apply", subresource: "" };
        let all = Difference::between(&empty, live).written;
        own(&mut entries, nobody, "Update").fields = all;
    }
    let named = fields::named_by(wanted);
    let before = std::mem::replace(&mut own(&mut entries, writer, "Apply").fields, named);
    let mut after = live.cloned().unwrap_or_else(|| json!({"metadata": {}}));
    fields::merge(&mut after, wanted);
    let is_owned = |path: &Path| entries.iter().any(|entry| entry.owns(path));
    for path in before.iter().filter(|path| !is_owned(path)) {
        fields::remove(&mut after, path, is_owned);
    }
    let difference = Difference::between(live.unwrap_or(&empty), &after);
    let others = |entry: &Entry| !entry.is_of(writer, "Apply");
    if !force {
        for entry in entries.iter().filter(|entry| others(entry)) {
            if let Some(path) = entry.fields.intersection(&difference.written).next() {
                let owner = &entry.manager;
                let why = format!("conflict with {owner:?}: .{path}");
                return Err(Refusal::conflict(kind, "apply", why));
            }
        }
    }
    take(&mut entries, &difference, others);
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

fn read_of(object: &Value) -> Vec<Entry> {
    read(&object["metadata"]["managedFields"])
}

fn read(entries: &Value) -> Vec<Entry> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let entries = entries.as_array().into_iter().flatten();
    entries
        .map(|entry| Entry {
            manager: text(entry, "manager"),
            operation: text(entry, "operation"),
            subresource: text(entry, "subresource"),
            fields: path::from_fields_v1(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(kind: &Kind, object: &mut Value, entries: Vec<Entry>) {
    let entries = entries.into_iter().filter(|entry| !entry.fields.is_empty()).map(|entry| {
        let mut json = json!({
            "manager": entry.manager, "operation": entry.operation,
            "apiVersion": kind.api_version(), "fieldsType": "FieldsV1",
            "fieldsV1": path::to_fields_v1(&entry.fields),
        });
        if !entry.subresource.is_empty() {
            json["subresource"] = json!(entry.subresource);
        }
        json
    });
    let entries: Vec<Value> = entries.collect();
    if entries.is_empty() {
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
    } else {
        object["metadata"]["managedFields"] = entries.into();
    }
}
