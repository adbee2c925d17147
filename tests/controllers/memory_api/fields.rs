//! Fields as server-side apply sees them: what an object has, what differs between two, and merging.
//!
//! Which lists have keys and which values are owned as one is in the schemas of the real API server; here it
//! is told by the field's name, for the fields that Nagaya writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::path::Path;

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
    let nodes = nodes(object).into_iter();
    nodes.filter_map(|(path, node)| Some((path, node.leaf?))).collect()
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
        .collect()
}

/// What differs between two objects (`typed.TypedValue.Compare`).
#[derive(Default)]
pub struct Difference {
    /// Added or modified.
    pub written: BTreeSet<Path>,
    pub removed: BTreeSet<Path>,
}

impl Difference {
    pub fn between(before: &Value, after: &Value) -> Self {
        let mut difference = Self::default();
        difference.note(ROOT, before, after, &mut Path::default());
        difference
    }

    /// Looks only at what is not alike: most of an object is.
    fn note(&mut self, field: &str, before: &Value, after: &Value, at: &mut Path) {
        if before == after || UNOWNED.contains(&at.text()) {
            return;
        }
        let (mut old, new) = (Part::all_of(field, before), Part::all_of(field, after));
        if old.is_empty() && new.is_empty() {
            self.written.insert(at.clone());
        }
        for (step, part) in new {
            at.below(&step, |at| match old.remove(&step) {
                Some(before) => self.note(part.field, before.value, part.value, at),
                None => self.written.extend(part.nodes(at).into_keys()),
            });
        }
        for (step, part) in old {
            at.below(&step, |at| self.removed.extend(part.nodes(at).into_keys()));
        }
    }
}

/// A field or an item, of what is not owned as one.
struct Part<'a> {
    /// By what name its rules are found.
    field: &'a str,
    item: bool,
    value: &'a Value,
}

impl<'a> Part<'a> {
    /// What `value` consists of, by the step to it; nothing if it is owned as one.
    fn all_of(field: &str, value: &'a Value) -> BTreeMap<String, Self> {
        match value {
            Value::Object(members) if !ATOMIC.contains(&field) => {
                let member = |(name, value): (&'a String, &'a Value)| {
                    let field = member_of(field, name);
                    (format!("f:{name}"), Self { field, item: false, value })
                };
                members.iter().map(member).collect()
            }
            Value::Array(items) => {
                let item = |value: &'a Value| {
                    let part = Self { field: item_of(field), item: true, value };
                    Some((step_of(field, value)?, part))
                };
                items.iter().filter_map(item).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// What of it can be owned, when it is `at` this path.
    fn nodes(&self, at: &mut Path) -> BTreeMap<Path, Node<'a>> {
        let mut found = BTreeMap::new();
        self.collect(at, &mut found);
        found.retain(|path, _| !matches!(path.text(), "" | "f:metadata"));
        found
    }

    fn collect(&self, at: &mut Path, found: &mut BTreeMap<Path, Node<'a>>) {
        if UNOWNED.contains(&at.text()) {
            return;
        }
        let parts = Self::all_of(self.field, self.value);
        let leaf = parts.is_empty().then_some(self.value);
        let atomic = ATOMIC.contains(&self.field);
        found.insert(at.clone(), Node { leaf, atomic, item: self.item });
        for (step, part) in parts {
            at.below(&step, |at| part.collect(at, found));
        }
    }
}

/// A field, an item of a list with keys, or what has such.
struct Node<'a> {
    /// The value, of what is owned as one.
    leaf: Option<&'a Value>,
    atomic: bool,
    item: bool,
}

/// Everything of an object that can be owned.
fn nodes(object: &Value) -> BTreeMap<Path, Node<'_>> {
    Part { field: ROOT, item: false, value: object }.nodes(&mut Path::default())
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

/// Takes the field at `path` away, and what held nothing else unless it `stays`.
pub fn remove(object: &mut Value, path: &Path, stays: impl Fn(&Path) -> bool) {
    let steps: Vec<&str> = path.steps().collect();
    take_away(ROOT, object, &mut Path::default(), &steps, &stays);
}

fn take_away(
    field: &str,
    value: &mut Value,
    at: &mut Path,
    steps: &[&str],
    stays: &dyn Fn(&Path) -> bool,
) {
    let Some((step, rest)) = steps.split_first() else { return };
    let goes = |value: &Value, at: &Path| rest.is_empty() || (is_empty(value) && !stays(at));
    at.below(step, |at| match value {
        Value::Object(members) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            let Some(member) = members.get_mut(name) else { return };
            take_away(member_of(field, name), member, at, rest, stays);
            if goes(member, at) {
                members.remove(name);
            }
        }
        Value::Array(items) => {
            let found =
                items.iter().position(|item| step_of(field, item).as_deref() == Some(*step));
            let Some(index) = found else { return };
            take_away("", &mut items[index], at, rest, stays);
            if goes(&items[index], at) {
                items.remove(index);
            }
        }
        _ => {}
    });
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
