//! Which nodes are not known to use the endpoint, while there is a former one. At all other times nothing of it is kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;
use nagaya_api::labels;
use nagaya_render::moves::{Former, NodesLeft};
use tokio::sync::watch;

use super::follow::Part;
use super::nodes::SeenNode;

/// The former endpoint, and the present one as `host:port`.
pub(super) type Endpoints = Option<(Former, String)>;

/// What is asked, and what is known. It outlives a connection.
#[derive(Debug, Default)]
pub(super) struct Left {
    asked: watch::Sender<Endpoints>,
    known: Mutex<Option<NodesLeft>>,
}

impl Left {
    /// What is known of another pair of endpoints is of no use.
    pub(super) fn follow(&self, endpoints: Endpoints) {
        self.asked.send_if_modified(|asked| {
            let is_new = *asked != endpoints;
            if is_new {
                *asked = endpoints;
                self.set(None);
            }
            is_new
        });
    }

    pub(super) fn get(&self) -> Option<NodesLeft> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is asked, now and from now on.
    pub(super) fn asked(&self) -> watch::Receiver<Endpoints> {
        self.asked.subscribe()
    }

    fn asks_for(&self, endpoints: &(Former, String)) -> bool {
        self.asked.borrow().as_ref() == Some(endpoints)
    }

    /// Tells whether it is something else than before.
    fn set(&self, left: Option<NodesLeft>) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != left;
        *known = left;
        is_new
    }
}

/// Which nodes are left, while a list is being read and afterwards.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    endpoints: &'a (Former, String),
    left: BTreeSet<String>,
    /// `Some` while a list is being read.
    listing: Option<BTreeSet<String>>,
}

impl<'a> Tally<'a> {
    /// Of nodes that move between these endpoints.
    pub(super) fn of(endpoints: &'a (Former, String)) -> Self {
        Self { endpoints, left: BTreeSet::new(), listing: None }
    }

    /// Takes note of an event; tells whether that is news.
    pub(super) fn note(&mut self, event: &Event<SeenNode>, known: &Left) -> bool {
        let left = self.take(event);
        left.is_some_and(|left| known.asks_for(self.endpoints) && known.set(Some(left)))
    }

    /// The nodes that are left after an event; `None` while a list is still being read.
    fn take(&mut self, event: &Event<SeenNode>) -> Option<NodesLeft> {
        match event {
            Event::Init => self.listing = Some(BTreeSet::new()),
            Event::InitApply(node) => {
                if self.is_left(node) {
                    self.listing.get_or_insert_default().insert(node.name().to_owned());
                }
            }
            Event::InitDone => self.left = self.listing.take().unwrap_or_default(),
            Event::Apply(node) if self.is_left(node) => {
                self.left.insert(node.name().to_owned());
            }
            Event::Apply(node) | Event::Delete(node) => {
                self.left.remove(node.name());
            }
        }
        self.listing.is_none().then(|| NodesLeft::of(&self.left))
    }

    fn is_left(&self, node: &SeenNode) -> bool {
        let (former, present) = self.endpoints;
        let ObjectMeta { annotations, creation_timestamp, .. } = node.metadata();
        let told = annotations.as_ref().and_then(|all| all.get(labels::NODE_ENDPOINT));
        let joined = creation_timestamp.as_ref().map(|time| time.0);
        former.used_by(told.map(String::as_str), joined) != Some(present)
    }
}

#[cfg(test)]
mod tests;
