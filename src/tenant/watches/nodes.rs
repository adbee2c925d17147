//! How many nodes have joined, and which of them are not Ready. Of a node that is, only a hash of its name is kept, to tell a
//! new node from an update of one that is already counted.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::Resource;
use kube::api::ListParams;
use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;
use nagaya_render::moves::Former;
use nagaya_render::nodes::{NAMED_AT_MOST, Nodes, Trouble};
use serde::Deserialize;
use tokio::sync::Notify;

use super::follow::{Followed, Part, follow};
use super::{Watcher, left};

/// Nodes in one answer: of the largest that there can be, no more fit into one (`tenant/connection.rs`).
const PAGE: u32 = 10;
/// Nodes whose trouble is kept: when one of those that are named is Ready again, another takes its place.
const KEPT: usize = 16 * NAMED_AT_MOST;

/// What was seen last; unknown at first.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<Option<Arc<Nodes>>>);

impl Watched {
    pub(super) fn get(&self) -> Option<Arc<Nodes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether it is something else than before.
    fn set(&self, nodes: Nodes) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.as_deref() != Some(&nodes);
        if is_new {
            *seen = Some(Arc::new(nodes));
        }
        is_new
    }
}

/// Looks for ever, from the beginning when a move begins or ends; wakes the reconcile when there is something else to be said
/// of the nodes.
pub(super) async fn look(watcher: &Watcher) {
    let mut asked = watcher.seen.left.asked();
    loop {
        let endpoints = asked.borrow_and_update().clone();
        tokio::select! {
            () = look_for(watcher, endpoints.as_ref()) => {}
            changed = asked.changed() => if changed.is_err() { return },
        }
    }
}

async fn look_for(watcher: &Watcher, endpoints: Option<&(Former, String)>) {
    let nodes = Followed {
        tenant: &watcher.tenant,
        client: &watcher.client,
        path: Node::url_path(&(), None),
        list: ListParams::default().limit(PAGE),
    };
    let (seen, news) = (&watcher.seen, Notify::new());
    let (mut tally, mut left) = (Tally::default(), endpoints.map(left::Tally::of));
    let following = follow(&nodes, |event| {
        let is_other = tally.take(&event).is_some_and(|nodes| seen.nodes.set(nodes));
        let is_left = left.as_mut().is_some_and(|left| left.note(&event, &seen.left));
        if is_other || is_left {
            news.notify_one();
        }
    });
    tokio::join!(following, watcher.wake_at_each(&news));
}

/// What is read of a node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SeenNode {
    metadata: ObjectMeta,
    #[serde(default)]
    status: SeenStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct SeenStatus {
    #[serde(default)]
    conditions: Vec<NodeCondition>,
}

impl SeenNode {
    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Part for SeenNode {
    const METADATA_ONLY: bool = false;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

/// Which nodes are there.
#[derive(Debug, Default)]
struct Tally {
    known: Known,
    /// `Some` while a list is being read.
    listing: Option<Known>,
}

/// By hash, and by name as far as they are told of.
#[derive(Debug, Default)]
struct Known {
    all: HashSet<u64>,
    not_ready: HashSet<u64>,
    named: BTreeMap<String, Trouble>,
}

impl Tally {
    /// The nodes after an event; `None` while a list is still being read.
    fn take(&mut self, event: &Event<SeenNode>) -> Option<Nodes> {
        match event {
            Event::Init => self.listing = Some(Known::default()),
            Event::InitApply(node) => self.listing.get_or_insert_default().put(node),
            Event::InitDone => self.known = self.listing.take().unwrap_or_default(),
            Event::Apply(node) => self.known.put(node),
            Event::Delete(node) => self.known.remove(node),
        }
        self.listing.is_none().then(|| self.known.nodes())
    }
}

impl Known {
    fn put(&mut self, node: &SeenNode) {
        let (name, hash) = identity(node);
        self.all.insert(hash);
        let Some(trouble) = Trouble::of(&node.status.conditions) else {
            self.not_ready.remove(&hash);
            self.named.remove(name);
            return;
        };
        self.not_ready.insert(hash);
        if self.named.len() < KEPT || self.named.contains_key(name) {
            self.named.insert(name.to_owned(), trouble);
        }
    }

    fn remove(&mut self, node: &SeenNode) {
        let (name, hash) = identity(node);
        self.all.remove(&hash);
        self.not_ready.remove(&hash);
        self.named.remove(name);
    }

    fn nodes(&self) -> Nodes {
        let Self { all, not_ready, named } = self;
        let named = named.iter().take(NAMED_AT_MOST);
        let named = named.map(|(name, trouble)| (name.clone(), trouble.clone())).collect();
        Nodes { total: all.len(), not_ready: not_ready.len(), named }
    }
}

fn identity(node: &SeenNode) -> (&str, u64) {
    let name = node.name();
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    (name, hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, ready: &str) -> SeenNode {
        let conditions = json!([{"type": "Ready", "status": ready, "message": "the reason"}]);
        let node = json!({"metadata": {"name": name}, "status": {"conditions": conditions}});
        serde_json::from_value(node).unwrap()
    }

    fn counts(nodes: Option<Nodes>) -> Option<(usize, usize, usize)> {
        nodes.map(|nodes| (nodes.total, nodes.not_ready, nodes.named.len()))
    }

    #[test]
    fn an_update_of_a_node_does_not_count_it_twice() {
        let mut tally = Tally::default();
        let mut after = |event| counts(tally.take(&event));
        assert_eq!(after(Event::Apply(node("a", "True"))), Some((1, 0, 0)));
        assert_eq!(after(Event::Apply(node("a", "False"))), Some((1, 1, 1)));
        assert_eq!(after(Event::Apply(node("b", "False"))), Some((2, 2, 2)));
        assert_eq!(after(Event::Apply(node("a", "True"))), Some((2, 1, 1)));
        assert_eq!(after(Event::Delete(node("b", "False"))), Some((1, 0, 0)));
    }

    #[test]
    fn a_list_replaces_what_was_counted_and_says_nothing_before_its_end() {
        let mut tally = Tally::default();
        let mut after = |event| counts(tally.take(&event));
        after(Event::Apply(node("gone", "False")));
        assert_eq!(after(Event::Init), None);
        assert_eq!(after(Event::InitApply(node("a", "True"))), None);
        assert_eq!(after(Event::InitApply(node("b", "True"))), None);
        assert_eq!(after(Event::InitDone), Some((2, 0, 0)));
    }

    #[test]
    fn of_many_nodes_that_are_not_ready_some_are_named_and_all_are_counted() {
        let mut tally = Tally::default();
        let many = NAMED_AT_MOST + 5;
        for number in 0..many {
            tally.take(&Event::Apply(node(&format!("vm-{number}"), "False")));
        }
        for ready in 1..=many {
            let seen = tally.take(&Event::Apply(node(&format!("vm-{}", ready - 1), "True")));
            let left = many - ready;
            assert_eq!(counts(seen), Some((many, left, left.min(NAMED_AT_MOST))));
        }
    }

    #[test]
    fn nothing_is_known_before_the_first_list_and_the_same_is_no_news() {
        let watched = Watched::default();
        assert_eq!(watched.get(), None);
        assert!(watched.set(Nodes::default()));
        assert!(!watched.set(Nodes::default()));
        assert_eq!(watched.get().as_deref(), Some(&Nodes::default()));
    }
}
