//! The namespace controller, the garbage collector, and kubelet where it ends pods.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::is_ending;
use crate::memory_api::{Id, MemoryApi};

/// The namespace controller lets so many seconds pass first (`namespaceDeletionGracePeriod`).
const NAMESPACE_PAUSE: u64 = 5;

/// When each deletion was seen first.
#[derive(Default)]
pub struct Removal {
    seen: BTreeMap<Id, Instant>,
}

impl Removal {
    /// Whether something is only waited for.
    pub fn is_busy(&self) -> bool {
        !self.seen.is_empty()
    }

    pub fn tick(&mut self, api: &MemoryApi) {
        collect_garbage(api);
        let pause = |id: &Id, object: &Value| match id.kind {
            "Pod" => object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0),
            _ => NAMESPACE_PAUSE,
        };
        let ending = api.pick(|id, object| {
            let ends = matches!(id.kind, "Pod" | "Namespace") && is_ending(object);
            ends.then(|| (id.clone(), Duration::from_secs(pause(id, object))))
        });
        self.seen.retain(|id, _| ending.iter().any(|(one, _)| one == id));
        for (id, pause) in ending {
            if !self.is_over(&id, pause) {
                continue;
            }
            match id.kind {
                "Pod" => api.delete(&id),
                _ => empty(api, &id),
            }
        }
    }

    fn is_over(&mut self, id: &Id, pause: Duration) -> bool {
        self.seen.entry(id.clone()).or_insert_with(Instant::now).elapsed() >= pause
    }
}

/// Deletes the contents; what is left when nothing is left is the namespace itself.
fn empty(api: &MemoryApi, namespace: &Id) {
    let contents = api.names_in(&namespace.name);
    if contents.is_empty() {
        api.finalize(namespace);
    }
    for id in contents {
        api.delete(&id);
    }
}

/// Deletes what has owners of which none is left.
fn collect_garbage(api: &MemoryApi) {
    let uid = |object: &Value| object["uid"].as_str().unwrap().to_owned();
    let alive: BTreeSet<String> =
        api.pick(|_, object| Some(uid(&object["metadata"]))).into_iter().collect();
    let orphans = api.pick(|id, object| {
        let owners = object["metadata"]["ownerReferences"].as_array()?;
        (!owners.iter().any(|owner| alive.contains(&uid(owner)))).then(|| id.clone())
    });
    for orphan in orphans {
        api.delete(&orphan);
    }
}
