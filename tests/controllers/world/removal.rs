//! The namespace controller, the garbage collector, and kubelet where it ends pods.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{id_of, is_ending};
use crate::memory_api::{Id, MemoryApi};

/// The namespace controller lets so much time pass first (`namespaceDeletionGracePeriod`).
const NAMESPACE_PAUSE: Duration = Duration::from_secs(5);

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
        let all = api.everything();
        self.seen.retain(|id, _| all.iter().any(|(one, object)| one == id && is_ending(object)));
        for pod in api.all("Pod", None).iter().filter(|pod| is_ending(pod)) {
            let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
            if self.is_over(&id_of(pod), Duration::from_secs(grace)) {
                api.delete(&id_of(pod));
            }
        }
        for namespace in api.all("Namespace", None).iter().filter(|one| is_ending(one)) {
            if self.is_over(&id_of(namespace), NAMESPACE_PAUSE) {
                empty(api, namespace);
            }
        }
    }

    fn is_over(&mut self, id: &Id, pause: Duration) -> bool {
        self.seen.entry(id.clone()).or_insert_with(Instant::now).elapsed() >= pause
    }
}

/// Deletes the contents; what is left when nothing is left is the namespace itself.
fn empty(api: &MemoryApi, namespace: &Value) {
    let name = namespace["metadata"]["name"].as_str().unwrap();
    let contents = api.names_in(name);
    if contents.is_empty() {
        api.patch(&id_of(namespace), &json!({"spec": {"finalizers": []}}));
    }
    for id in contents {
        api.delete(&id);
    }
}

/// Deletes what has owners of which none is left.
fn collect_garbage(api: &MemoryApi) {
    let all = api.everything();
    let alive: BTreeSet<&str> =
        all.iter().filter_map(|(_, object)| object["metadata"]["uid"].as_str()).collect();
    for (id, object) in &all {
        let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let owned = object["metadata"]["ownerReferences"].is_array();
        if owned && !owners.any(|owner| alive.contains(owner["uid"].as_str().unwrap())) {
            api.delete(id);
        }
    }
}
