//! What is stored, and the history of it that watches read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::Kind;

/// The name of an object: kind, namespace (empty: none), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

impl Id {
    pub fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.namespaced { namespace } else { "" };
        Self { kind: kind.name, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// One object came, changed or went.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub id: Id,
    pub before: Option<Arc<Value>>,
    pub after: Option<Arc<Value>>,
}

/// All objects. Each change has a resourceVersion of its own; what changes nothing has none.
#[derive(Debug, Default)]
pub struct Store {
    version: u64,
    uids: u64,
    objects: BTreeMap<Id, Arc<Value>>,
    /// What a mutating admission policy makes of an object: pointer and value.
    pub mutations: BTreeMap<Id, (&'static str, Value)>,
    /// Kinds of which watches show nothing new.
    pub lagging: BTreeSet<&'static str>,
    /// A Service that is made again gets another node port, as of a real server, which chooses at random.
    pub gives_another_port: bool,
    /// Kinds that nobody may list.
    pub forbidden: BTreeSet<&'static str>,
    /// Objects that an apply has left an empty map in. Who reads them does not see it, and the next write drops it: a
    /// change, though it looks like none.
    pub unsettled: BTreeSet<Id>,
    history: Vec<Change>,
}

impl Store {
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, id: &Id) -> Option<&Arc<Value>> {
        self.objects.get(id)
    }

    /// Whether there was one of that name before.
    pub fn was_removed(&self, id: &Id) -> bool {
        self.history.iter().any(|change| change.after.is_none() && change.id == *id)
    }

    /// Whether a write of what is there already leaves it so.
    pub fn is_settled(&self, id: &Id) -> bool {
        !self.mutations.contains_key(id) && !self.unsettled.contains(id)
    }

    /// All objects, sorted by kind, namespace and name.
    pub fn all(&self) -> impl Iterator<Item = (&Id, &Arc<Value>)> {
        self.objects.iter()
    }

    pub fn of_kind<'a>(
        &'a self,
        kind: &'a Kind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Value>> {
        let first = Id::new(kind, namespace.unwrap_or_default(), "");
        let is_wanted = move |id: &Id| {
            id.kind == kind.name && namespace.is_none_or(|namespace| id.namespace == namespace)
        };
        let from_first = self.objects.range(first..);
        from_first.take_while(move |(id, _)| is_wanted(id)).map(|(_, object)| object)
    }

    /// Everything that happened after `version`.
    pub fn since(&self, version: u64) -> &[Change] {
        let start = self.history.partition_point(|change| change.version <= version);
        &self.history[start..]
    }

    /// The same objects, as if they had always been as they are.
    pub fn without_history(&self) -> Self {
        Self {
            version: self.version,
            uids: self.uids,
            objects: self.objects.clone(),
            mutations: self.mutations.clone(),
            gives_another_port: self.gives_another_port,
            forbidden: self.forbidden.clone(),
            unsettled: self.unsettled.clone(),
            lagging: BTreeSet::new(),
            history: Vec::new(),
        }
    }

    /// What it was before the last so many changes.
    pub fn as_before(&self, changes: u64) -> Self {
        let version = self.version.saturating_sub(changes).max(1);
        let mut before = Self { version, ..self.without_history() };
        for change in self.since(version).iter().rev() {
            match &change.before {
                Some(object) => before.objects.insert(change.id.clone(), Arc::clone(object)),
                None => before.objects.remove(&change.id),
            };
        }
        before
    }

    pub fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012}", self.uids)
    }

    /// Stores `object` and returns it with its version; the one that is there if nothing differs.
    pub fn put(&mut self, id: Id, mut object: Value) -> Arc<Value> {
        let before = self.objects.get(&id).cloned();
        let unsettled = self.unsettled.remove(&id);
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if object == **before && !unsettled {
                return Arc::clone(before);
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let after = Arc::new(object);
        self.objects.insert(id.clone(), Arc::clone(&after));
        let change = Change { version: self.version, id, before, after: Some(Arc::clone(&after)) };
        self.history.push(change);
        after
    }

    /// Returns the version with which it is gone.
    pub fn remove(&mut self, id: &Id) -> u64 {
        self.unsettled.remove(id);
        if let Some(before) = self.objects.remove(id) {
            self.version += 1;
            let change =
                Change { version: self.version, id: id.clone(), before: Some(before), after: None };
            self.history.push(change);
        }
        self.version
    }
}
