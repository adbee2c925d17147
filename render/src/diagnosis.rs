//! Why a part of a control plane does not come up: what the management cluster's objects say, as a named
//! [`Blockage`] with since when, and what to do next. Pure: `diagnose.rs` of the manager collects the [`Evidence`].
//!
//! | what blocks | file |
//! |---|---|
//! | each blockage in words | `blockage.rs` |
//! | a request that admission, a quota or the API server refuses | `refusals.rs` |
//! | a volume that does not come | `claims.rs` |
//! | a pod that is not scheduled, pulled or crashes | `pods.rs`, `last_words.rs` |
//! | a namespace that does not go | `termination.rs` |
//! | who of admission changes what we write | `mutators.rs` |

mod blockage;
mod claims;
mod last_words;
pub mod mutators;
mod pods;
mod refusals;
mod termination;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;

pub use blockage::{Blockage, Blocked};
pub use last_words::last_error_line;
pub use pods::judge as of_pod;
pub use refusals::of_refusal;
pub use termination::why_not_gone;

/// What is looked at while something of a control plane is not settled.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Pods of the control-plane namespace.
    pub pods: Vec<Pod>,
    /// Its volume claims.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Its Deployments: they repeat what the API server refuses them.
    pub deployments: Vec<Deployment>,
    /// Events about every StatefulSet of it, which repeats nothing, and about its volume claims.
    pub events: Vec<Event>,
    /// Of the whole cluster; `None`: not looked at.
    pub storage_classes: Option<Vec<StorageClass>>,
}

/// What keeps `component`, of which there are to be `desired` pods, from coming up. The first cause is told, not
/// what follows from it: without a volume a pod cannot be scheduled either.
#[must_use]
pub fn judge(
    component: &str,
    desired: i32,
    evidence: &Evidence,
    now: Timestamp,
) -> Option<Blocked> {
    let ours = evidence.pods.iter().filter(|pod| is_of(&pod.metadata, component));
    let (pods, ending): (Vec<&Pod>, Vec<&Pod>) =
        ours.partition(|pod| pod.metadata.deletion_timestamp.is_none());
    let missing = i32::try_from(pods.len()).is_ok_and(|found| found < desired);
    let unbound = || {
        let mut claims = evidence.claims.iter().filter(|claim| is_of(&claim.metadata, component));
        claims.find_map(|claim| claims::judge(claim, evidence, now))
    };
    refusals::judge(component, missing, evidence)
        .or_else(unbound)
        .or_else(|| pods.iter().find_map(|pod| pods::judge(pod, now)))
        .or_else(|| ending.iter().find_map(|pod| pods::judge_ending(pod, now)))
}

fn is_of(metadata: &ObjectMeta, component: &str) -> bool {
    let labels = metadata.labels.as_ref();
    labels.and_then(|all| all.get(labels::NAME)).is_some_and(|name| name == component)
}

fn name_of(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}
