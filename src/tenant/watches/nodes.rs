//! How many nodes have joined. Only a hash of each node's name is kept, to tell a new node from an
//! update of one that is already counted.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI32, Ordering};

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::Watcher;
use super::follow::{Followed, PAGE, follow};

/// The number of nodes; unknown at first.
#[derive(Debug)]
pub(super) struct Count(AtomicI32);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicI32::new(-1))
    }
}

impl Count {
    pub(super) fn get(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| *count >= 0)
    }

    /// Tells whether it is another one than before.
    fn set(&self, count: usize) -> bool {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        self.0.swap(count, Ordering::Relaxed) != count
    }
}

/// Counts for ever; wakes the reconcile when the number changes.
pub(super) async fn count(watcher: &Watcher) {
    let nodes = Followed {
        tenant: &watcher.tenant,
        client: &watcher.client,
        path: Node::url_path(&(), None),
        list: ListParams::default().limit(PAGE),
    };
    let mut tally = Tally::default();
    follow(&nodes, |event| {
        if tally.take(&event).is_some_and(|count| watcher.seen.nodes.set(count)) {
            watcher.wakeups.wake(&watcher.tenant);
        }
    })
    .await;
}

/// Which nodes are there, by hash.
#[derive(Debug, Default)]
struct Tally {
    nodes: HashSet<u64>,
    /// `Some` while a list is being read.
    listing: Option<HashSet<u64>>,
}

impl Tally {
    /// The number of nodes after an event; `None` while a list is still being read.
    fn take(&mut self, event: &Event<PartialObjectMeta>) -> Option<usize> {
        match event {
            Event::Init => self.listing = Some(HashSet::new()),
            Event::InitApply(node) => {
                self.listing.get_or_insert_default().insert(hash(&node.name_any()));
            }
            Event::InitDone => self.nodes = self.listing.take().unwrap_or_default(),
            Event::Apply(node) => {
                self.nodes.insert(hash(&node.name_any()));
            }
            Event::Delete(node) => {
                self.nodes.remove(&hash(&node.name_any()));
            }
        }
        self.listing.is_none().then_some(self.nodes.len())
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectMeta, PartialObjectMetaExt};

    use super::*;

    fn node(name: &str) -> PartialObjectMeta {
        ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }.into_response_partial()
    }

    #[test]
    fn an_update_of_a_node_does_not_count_it_twice() {
        let mut tally = Tally::default();
        assert_eq!(tally.take(&Event::Apply(node("a"))), Some(1));
        assert_eq!(tally.take(&Event::Apply(node("a"))), Some(1));
        assert_eq!(tally.take(&Event::Apply(node("b"))), Some(2));
        assert_eq!(tally.take(&Event::Delete(node("a"))), Some(1));
    }

    #[test]
    fn a_list_replaces_what_was_counted_and_says_nothing_before_its_end() {
        let mut tally = Tally::default();
        tally.take(&Event::Apply(node("gone")));
        assert_eq!(tally.take(&Event::Init), None);
        assert_eq!(tally.take(&Event::InitApply(node("a"))), None);
        assert_eq!(tally.take(&Event::InitApply(node("b"))), None);
        assert_eq!(tally.take(&Event::InitDone), Some(2));
    }

    #[test]
    fn the_number_is_unknown_before_the_first_list() {
        let count = Count::default();
        assert_eq!(count.get(), None);
        assert!(count.set(0));
        assert!(!count.set(0));
        assert_eq!(count.get(), Some(0));
    }
}
