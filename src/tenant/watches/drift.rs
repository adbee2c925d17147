//! Whether our own objects in the tenant are still as we left them: metadata only, ours only, and a
//! change wakes the reconcile, which writes what differs.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use nagaya_api::labels;

use super::Watcher;
use super::follow::{Followed, PAGE, follow};
use crate::tenant::content::{Ledger, Version, WATCHED_KINDS, id};

/// Watches every kind that content is made of, for ever.
pub(super) async fn note(watcher: &Watcher) {
    join_all(WATCHED_KINDS.iter().map(|kind| note_kind(watcher, kind()))).await;
}

async fn note_kind(watcher: &Watcher, resource: ApiResource) {
    let ours = format!("{}={}", labels::MANAGED_BY, labels::MANAGER);
    let objects = Followed {
        tenant: &watcher.tenant,
        client: &watcher.client,
        path: DynamicObject::url_path(&resource, None),
        list: ListParams::default().labels(&ours).limit(PAGE),
    };
    let mut listing = HashSet::new();
    follow(&objects, |event| {
        watcher.seen.changes.note();
        if take(&watcher.ledger, &resource.kind, &mut listing, event) {
            watcher.seen.drift.fetch_add(1, Ordering::Relaxed);
            watcher.wakeups.wake(&watcher.tenant);
        }
    })
    .await;
}

/// Notes an event; tells whether one of our objects is no longer as we left it.
fn take(
    ledger: &Ledger,
    kind: &str,
    listing: &mut HashSet<String>,
    event: Event<PartialObjectMeta>,
) -> bool {
    let id =
        |object: &PartialObjectMeta| id(kind, object.namespace().as_deref(), &object.name_any());
    match event {
        Event::Init => {
            listing.clear();
            false
        }
        Event::InitApply(object) => {
            let id = id(&object);
            let drifted = ledger.seen(&id, Version::of(kind, &object.metadata));
            listing.insert(id);
            drifted
        }
        Event::InitDone => ledger.listed(kind, &std::mem::take(listing)),
        Event::Apply(object) => ledger.seen(&id(&object), Version::of(kind, &object.metadata)),
        Event::Delete(object) => ledger.seen(&id(&object), Version::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ConfigMap kube-system/kubelet-config";

    fn object(version: &str) -> PartialObjectMeta {
        serde_json::from_value(serde_json::json!({"metadata": {
            "name": "kubelet-config",
            "namespace": "kube-system",
            "resourceVersion": version,
        }}))
        .unwrap()
    }

    fn after(events: impl IntoIterator<Item = Event<PartialObjectMeta>>) -> bool {
        let ledger = Ledger::default();
        ledger.applied(ID.to_owned(), 1, Version::At("5".to_owned()));
        let mut listing = HashSet::new();
        let taken: Vec<bool> = events
            .into_iter()
            .map(|event| take(&ledger, "ConfigMap", &mut listing, event))
            .collect();
        let woken = taken.contains(&true);
        assert_eq!(woken, ledger.has_drifted());
        woken
    }

    #[test]
    fn what_we_wrote_ourselves_wakes_nobody() {
        assert!(!after([Event::Apply(object("5"))]));
        assert!(!after([Event::Init, Event::InitApply(object("5")), Event::InitDone]));
    }

    #[test]
    fn a_change_a_deletion_and_a_loss_during_a_gap_wake_the_reconcile() {
        assert!(after([Event::Apply(object("6"))]));
        assert!(after([Event::Delete(object("6"))]));
        assert!(after([Event::Init, Event::InitDone]));
        assert!(after([Event::Init, Event::InitApply(object("6")), Event::InitDone]));
    }
}
