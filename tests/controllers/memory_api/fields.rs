//! Fields as server-side apply sees them: paths in the text of `FieldsV1` (structured-merge-diff's
//! `fieldpath/serialize.go`), and merging by them.
//!
//! Which lists have keys and which values are owned as one is in the schemas of the real API server; here it
//! is told by the field's name, for the fields that Nagaya writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

/// `f:spec`, `f:ports`, `k:{"port":443,"protocol":"TCP"}`, `f:name`: its steps in one text, for objects have
/// hundreds of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

/// Neither in a name nor, unescaped, in JSON.
const BETWEEN: char = '\0';

impl Path {
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(BETWEEN)
    }

    /// Does `work` one step further.
    fn below(&mut self, step: &str, work: impl FnOnce(&mut Self)) {
        let here = self.0.len();
        if here > 0 {
            self.0.push(BETWEEN);
        }
        self.0.push_str(step);
        work(self);
        self.0.truncate(here);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(BETWEEN, "."))
    }
}

/// Owned as one, though an object: `+mapType=atomic` and `+structType=atomic`.
const ATOMIC: [&str; 6] =
    ["selector", "roleRef", "nodeSelector", "fieldRef", "secretKeyRef", "configMapKeyRef"];

/// Never owned by anybody: fieldmanager's `stripmeta.go`.
const UNOWNED: [&str; 12] = [
    "f:apiVersion",
    "f:kind",
    "f:metadata\0f:name",
    "f:metadata\0f:namespace",
    "f:metadata\0f:creationTimestamp",
    "f:metadata\0f:selfLink",
    "f:metadata\0f:uid",
    "f:metadata\0f:generation",
    "f:metadata\0f:resourceVersion",
    "f:metadata\0f:managedFields",
    "f:metadata\0f:deletionTimestamp",
    "f:metadata\0f:deletionGracePeriodSeconds",
];

/// Every owned field of an object, with its value.
pub fn leaves(object: &Value) -> BTreeMap<Path, &Value> {
    let mut found = BTreeMap::new();
    collect("", object, &mut Path::default(), &mut found);
    found
}

fn collect<'a>(
    field: &str,
    value: &'a Value,
    at: &mut Path,
    found: &mut BTreeMap<Path, &'a Value>,
) {
    match value {
        Value::Null => {}
        _ if UNOWNED.contains(&at.0.as_str()) => {}
        Value::Object(members) if !members.is_empty() && !ATOMIC.contains(&field) => {
            for (name, member) in members {
                at.below(&format!("f:{name}"), |at| collect(name, member, at, found));
            }
        }
        Value::Array(items) if !items.is_empty() && step_of(field, &items[0]).is_some() => {
            for item in items {
                let step = step_of(field, item).unwrap_or_default();
                at.below(&step, |at| collect("", item, at, found));
            }
        }
        leaf => {
            found.insert(at.clone(), leaf);
        }
    }
}

/// The path element of an item of the list `field`; `None`: the list is owned as one.
fn step_of(field: &str, item: &Value) -> Option<String> {
    if field == "finalizers" {
        return Some(format!("v:{item}"));
    }
    let keys: &[&str] = match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "conditions" => &["type"],
        "ownerReferences" => &["uid"],
        "ports" if item.get("containerPort").is_some() => &["containerPort", "protocol"],
        "ports" => &["port", "protocol"],
        _ => return None,
    };
    let key = |name: &&str| {
        let default = if *name == "protocol" { json!("TCP") } else { Value::Null };
        ((*name).to_owned(), item.get(*name).cloned().unwrap_or(default))
    };
    let keys: Map<String, Value> = keys.iter().map(key).collect();
    Some(format!("k:{}", Value::Object(keys)))
}

/// Makes `live` have all of `wanted`.
pub fn merge(live: &mut Value, wanted: &Value) {
    merge_field("", live, wanted);
}

fn merge_field(field: &str, live: &mut Value, wanted: &Value) {
    match (live, wanted) {
        (_, Value::Null) => {}
        (Value::Object(live), Value::Object(wanted)) if !ATOMIC.contains(&field) => {
            for (name, member) in wanted.iter().filter(|(_, member)| !member.is_null()) {
                merge_field(name, live.entry(name.clone()).or_insert(Value::Null), member);
            }
        }
        (Value::Array(live), Value::Array(wanted))
            if wanted.first().is_some_and(|item| step_of(field, item).is_some()) =>
        {
            for item in wanted {
                let step = step_of(field, item);
                match live.iter_mut().find(|one| step_of(field, one) == step) {
                    Some(one) => merge_field("", one, item),
                    None => live.push(without_nulls(item)),
                }
            }
        }
        (live, wanted) => *live = without_nulls(wanted),
    }
}

/// As an object is stored: what is null is not there.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name.clone(), without_nulls(member)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

/// What is null is not there.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Takes the field at `path` away, and what held nothing else.
pub fn remove(object: &mut Value, path: &Path) {
    take_away("", object, &path.steps().collect::<Vec<_>>());
}

fn take_away(field: &str, value: &mut Value, path: &[&str]) {
    let Some((step, rest)) = path.split_first() else { return };
    match value {
        Value::Object(members) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            let Some(member) = members.get_mut(name) else { return };
            take_away(name, member, rest);
            if rest.is_empty() || is_empty(member) {
                members.remove(name);
            }
        }
        Value::Array(items) => {
            let found =
                items.iter().position(|item| step_of(field, item).as_deref() == Some(*step));
            let Some(index) = found else { return };
            take_away("", &mut items[index], rest);
            if rest.is_empty() || is_empty(&items[index]) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// The JSON of `FieldsV1`.
pub fn to_fields_v1(paths: &BTreeSet<Path>) -> Value {
    let mut fields = json!({});
    for path in paths {
        path.steps().fold(&mut fields, |at, step| {
            let members = at.as_object_mut().unwrap();
            members.entry(step).or_insert_with(|| json!({}))
        });
    }
    fields
}

/// The paths of a `FieldsV1`.
pub fn from_fields_v1(fields: &Value) -> BTreeSet<Path> {
    fn walk(fields: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
        match fields.as_object().filter(|members| !members.is_empty()) {
            None => {
                found.insert(at.clone());
            }
            Some(members) => {
                for (step, below) in members {
                    at.below(step, |at| walk(below, at, found));
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(fields, &mut Path::default(), &mut found);
    found.remove(&Path::default());
    found
}
