//! Which nodes are not known to use the endpoint, while there is a former one. At all other times nothing is asked and
//! nothing is kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use nagaya_api::labels;
use nagaya_render::moves::{Former, NodesLeft};
use tokio::sync::{Notify, watch};

use super::Watcher;
use super::follow::{Followed, PAGE, follow};

/// The former endpoint, and the present one as `host:port`.
type Endpoints = Option<(Former, String)>;

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

/// Looks for ever; wakes the reconcile when other nodes are left.
pub(super) async fn look(watcher: &Watcher) {
    let left = &watcher.seen.left;
    let mut asked = left.asked.subscribe();
    loop {
        let endpoints = asked.borrow_and_update().clone();
        tokio::select! {
            () = look_for(watcher, endpoints.as_ref()) => {}
            changed = asked.changed() => if changed.is_err() { return },
        }
    }
}

async fn look_for(watcher: &Watcher, endpoints: Option<&(Former, String)>) {
    let Some(endpoints) = endpoints else { return std::future::pending().await };
    let (former, present) = endpoints;
    let nodes = Followed {
        tenant: &watcher.tenant,
        client: &watcher.client,
        path: Node::url_path(&(), None),
        list: ListParams::default().limit(PAGE),
    };
    let mut tally = Tally { former, present, left: BTreeSet::new(), listing: None };
    let news = Notify::new();
    let following = follow(&nodes, |event| {
        let (seen, left) = (&watcher.seen.left, tally.take(&event));
        if left.is_some_and(|left| seen.asks_for(endpoints) && seen.set(Some(left))) {
            news.notify_one();
        }
    });
    // Boxed: it takes room only in tenants that move.
    Box::pin(async { tokio::join!(following, watcher.wake_at_each(&news)) }).await;
}

struct Tally<'a> {
    former: &'a Former,
    present: &'a str,
    left: BTreeSet<String>,
    /// `Some` while a list is being read.
    listing: Option<BTreeSet<String>>,
}

impl Tally<'_> {
    /// The nodes that are left after an event; `None` while a list is still being read.
    fn take(&mut self, event: &Event<PartialObjectMeta>) -> Option<NodesLeft> {
        match event {
            Event::Init => self.listing = Some(BTreeSet::new()),
            Event::InitApply(node) => {
                if self.is_left(node) {
                    self.listing.get_or_insert_default().insert(node.name_any());
                }
            }
            Event::InitDone => self.left = self.listing.take().unwrap_or_default(),
            Event::Apply(node) if self.is_left(node) => {
                self.left.insert(node.name_any());
            }
            Event::Apply(node) | Event::Delete(node) => {
                self.left.remove(&node.name_any());
            }
        }
        self.listing.is_none().then(|| NodesLeft::of(&self.left))
    }

    fn is_left(&self, node: &PartialObjectMeta) -> bool {
        let told = node.annotations().get(labels::NODE_ENDPOINT).map(String::as_str);
        let joined = node.creation_timestamp().map(|time| time.0);
        self.former.used_by(told, joined) != Some(self.present)
    }
}

#[cfg(test)]
mod tests;
