//! Fields as server-side apply sees them: paths in the text of `FieldsV1` (structured-merge-diff's
//! `fieldpath/serialize.go`), and merging by them.
//!
//! Which lists have keys and which values are owned as one is in the schemas of the real API server; here it
//! is told by the field's name, for the fields that Nagaya writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// `["f:spec", "f:ports", "k:{\"port\":443,\"protocol\":\"TCP\"}", "f:name"]`.
pub type Path = Vec<String>;

/// Owned as one, though an object: `+mapType=atomic` and `+structType=atomic`.
const ATOMIC: [&str; 7] = [
    "selector",
    "roleRef",
    "nodeSelector",
    "fieldRef",
    "secretKeyRef",
    "configMapKeyRef",
    AN_OWNER,
];
/// An item of `ownerReferences`.
const AN_OWNER: &str = "ownerReferences[]";
/// The object itself.
const ROOT: &str = "/";
/// Fields of an object itself that have keys elsewhere: of an EndpointSlice and of a ServiceAccount.
const ATOMIC_AT_THE_ROOT: [&str; 2] = ["ports", "imagePullSecrets"];

/// Never owned by anybody: fieldmanager's `stripmeta.go`.
const UNOWNED: [&[&str]; 12] = [
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:resourceVersion"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
];

/// Every owned field of an object, with its value.
pub fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    let nodes = nodes(object).into_iter();
    let leaves = nodes.filter_map(|(path, node)| Some((path, node.leaf?.clone())));
    leaves.filter(|(path, _)| is_ownable(path)).collect()
}

/// The fields that an applied configuration names (`typed.TypedValue.ToFieldSet`).
pub fn named_by(config: &Value) -> BTreeSet<Path> {
    let is_empty_list = |leaf: &Value| leaf.as_array().is_some_and(Vec::is_empty);
    let nodes = nodes(config).into_iter();
    nodes
        .filter(|(_, node)| match node.leaf {
            Some(leaf) => node.atomic || !is_empty_list(leaf),
            None => node.item,
        })
        .map(|(path, _)| path)
        .filter(is_ownable)
        .collect()
}

/// What differs between two objects (`typed.TypedValue.Compare`).
pub struct Difference {
    /// Added or modified.
    pub written: BTreeSet<Path>,
    pub removed: BTreeSet<Path>,
}

impl Difference {
    pub fn between(before: &Value, after: &Value) -> Self {
        let (old, new) = (nodes(before), nodes(after));
        let differs = |node: &Node<'_>, other: &Node<'_>| matches!((node.leaf, other.leaf), (Some(one), Some(two)) if one != two);
        let written = new.iter().filter(|(path, node)| {
            is_ownable(path) && old.get(*path).is_none_or(|before| differs(before, node))
        });
        let removed = old.keys().filter(|path| !new.contains_key(*path) && is_ownable(path));
        Self {
            written: written.map(|(path, _)| path.clone()).collect(),
            removed: removed.cloned().collect(),
        }
    }
}

fn is_ownable(path: &Path) -> bool {
    path.as_slice() != ["f:metadata"]
        && !UNOWNED.iter().any(|unowned| {
            path.len() >= unowned.len() && unowned.iter().zip(path).all(|(a, b)| a == b)
        })
}

/// A field, an item of a list with keys, or what has such.
struct Node<'a> {
    /// The value, of what is owned as one.
    leaf: Option<&'a Value>,
    atomic: bool,
    item: bool,
}

/// Everything but the object itself.
fn nodes(object: &Value) -> BTreeMap<Path, Node<'_>> {
    let mut found = BTreeMap::new();
    collect(ROOT, object, false, &mut Vec::new(), &mut found);
    found.remove(&Vec::new());
    found
}

fn collect<'a>(
    field: &str,
    value: &'a Value,
    item: bool,
    at: &mut Path,
    found: &mut BTreeMap<Path, Node<'a>>,
) {
    let atomic = ATOMIC.contains(&field);
    let inner = match value {
        Value::Object(members) if !members.is_empty() && !atomic => {
            for (name, member) in members {
                at.push(format!("f:{name}"));
                collect(member_of(field, name), member, false, at, found);
                at.pop();
            }
            true
        }
        Value::Array(items) if !items.is_empty() && step_of(field, &items[0]).is_some() => {
            for item in items {
                at.extend(step_of(field, item));
                collect(item_of(field), item, true, at, found);
                at.pop();
            }
            true
        }
        _ => false,
    };
    found.insert(at.clone(), Node { leaf: (!inner).then_some(value), atomic, item });
}

/// By what name the rules for a member are found.
fn member_of<'a>(field: &str, name: &'a str) -> &'a str {
    if field == ROOT && ATOMIC_AT_THE_ROOT.contains(&name) { "" } else { name }
}

/// By what name the rules for an item are found.
fn item_of(list: &str) -> &'static str {
    if list == "ownerReferences" { AN_OWNER } else { "" }
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
    merge_field(ROOT, live, wanted);
}

fn merge_field(field: &str, live: &mut Value, wanted: &Value) {
    match (live, wanted) {
        (_, Value::Null) => {}
        (Value::Object(live), Value::Object(wanted)) if !ATOMIC.contains(&field) => {
            for (name, member) in wanted.iter().filter(|(_, member)| !member.is_null()) {
                let live = live.entry(name.clone()).or_insert(Value::Null);
                merge_field(member_of(field, name), live, member);
            }
        }
        (Value::Array(live), Value::Array(wanted))
            if step_of(field, wanted.first().unwrap_or(&Value::Null)).is_some() =>
        {
            *live = merged_list(field, live, wanted);
        }
        (live, wanted) => *live = without_nulls(wanted),
    }
}

/// In the order of `merge.mergingWalker.visitListItems`: what both have is in the wanted order, and what only the live
/// list has stays between.
fn merged_list(list: &str, live: &[Value], wanted: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| items.iter().map(|item| step_of(list, item)).collect::<Vec<_>>();
    let (live_steps, wanted_steps) = (steps(live), steps(wanted));
    let mut shared = wanted_steps.iter().filter(|step| live_steps.contains(step));
    let mut next_shared = shared.next();
    let (mut at_live, mut at_wanted) = (0, 0);
    let mut merged = Vec::new();
    while at_live < live.len() || at_wanted < wanted.len() {
        if let Some(step) = live_steps.get(at_live) {
            if !wanted_steps.contains(step) {
                merged.push(live[at_live].clone());
                at_live += 1;
                continue;
            }
            let comes_next = next_shared == Some(step) && at_wanted < wanted.len();
            if !comes_next {
                at_live += 1;
                continue;
            }
        }
        let step = &wanted_steps[at_wanted];
        let same = live_steps.iter().position(|one| one == step);
        let mut item = same.map_or(Value::Null, |index| live[index].clone());
        merge_field(item_of(list), &mut item, &wanted[at_wanted]);
        merged.push(item);
        if live_steps.get(at_live) == Some(step) {
            at_live += 1;
        }
        if next_shared == Some(step) {
            next_shared = shared.next();
        }
        at_wanted += 1;
    }
    merged
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

/// Takes the field at `path` away, and what held nothing else unless it `stays`.
pub fn remove(object: &mut Value, path: &[String], stays: impl Fn(&[String]) -> bool) {
    take_away(ROOT, object, path, 0, &stays);
}

fn take_away(
    field: &str,
    value: &mut Value,
    path: &[String],
    depth: usize,
    stays: &dyn Fn(&[String]) -> bool,
) {
    let Some(step) = path.get(depth) else { return };
    let here = &path[..=depth];
    let goes = |value: &Value| here.len() == path.len() || (is_empty(value) && !stays(here));
    match value {
        Value::Object(members) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            let Some(member) = members.get_mut(name) else { return };
            take_away(member_of(field, name), member, path, depth + 1, stays);
            if goes(member) {
                members.remove(name);
            }
        }
        Value::Array(items) => {
            let found = items.iter().position(|item| step_of(field, item).as_ref() == Some(step));
            let Some(index) = found else { return };
            take_away("", &mut items[index], path, depth + 1, stays);
            if goes(&items[index]) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// The JSON of `FieldsV1`: `.` is a field itself, beside what is in it.
pub fn to_fields_v1(paths: &BTreeSet<Path>) -> Value {
    let mut fields = json!({});
    for path in paths {
        path.iter().fold(&mut fields, |at, step| {
            let members = at.as_object_mut().unwrap();
            members.entry(step.clone()).or_insert_with(|| json!({}))
        });
    }
    // Sorted: a field comes before what is in it.
    for pair in paths.iter().zip(paths.iter().skip(1)) {
        if pair.1.starts_with(pair.0) {
            let field = pair.0.iter().fold(&mut fields, |at, step| &mut at[step]);
            field["."] = json!({});
        }
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
                    if step == "." {
                        found.insert(at.clone());
                        continue;
                    }
                    at.push(step.clone());
                    walk(below, at, found);
                    at.pop();
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(fields, &mut Vec::new(), &mut found);
    found.remove(&Vec::new());
    found
}
