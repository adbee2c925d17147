//! What the management cluster says of a tenant's workloads.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;

use crate::diagnosis::Blocked;
use crate::minors::KubernetesVersion;
use crate::turns::template_revision;

/// How far one workload is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Replicas asked for.
    pub desired: i32,
    /// Replicas that pass their readiness probe.
    pub ready: i32,
    /// The controller of the management cluster has seen the newest template and rolled it out.
    pub rolled_out: bool,
    /// Kubernetes version of the newest template (`app.kubernetes.io/version`); `None`: not one of Kubernetes.
    pub version: Option<KubernetesVersion>,
    /// How many of etcd's members it connects to ([`labels::ETCD_MEMBERS`]); `None`: not one of etcd's clients.
    pub etcd_members: Option<u8>,
    /// Digest that the newest template was stamped with.
    pub template_revision: Option<String>,
    /// Since when it leaves nodes alone ([`labels::NODES_CUT_OFF_SINCE`]); `None`: it does not, or has nothing to do with
    /// them.
    pub cut_off_since: Option<Timestamp>,
    /// What keeps it from being settled, when known.
    pub problem: Option<Blocked>,
}

impl Workload {
    /// Whether at least one replica is ready.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.ready > 0
    }

    /// Whether every replica is ready and of the newest template.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.rolled_out && self.ready >= self.desired
    }
}

impl From<&StatefulSet> for Workload {
    fn from(set: &StatefulSet) -> Self {
        let desired = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let version = version(&set.metadata);
        let cut_off_since = cut_off_since(&set.metadata);
        let template_revision =
            set.spec.as_ref().and_then(|spec| template_revision(&spec.template));
        let Some(status) = &set.status else {
            return Self { desired, version, template_revision, cut_off_since, ..Self::default() };
        };
        let seen = status.observed_generation.unwrap_or(0) >= set.metadata.generation.unwrap_or(0);
        let current = status.update_revision == status.current_revision
            || status.updated_replicas.unwrap_or(0) == desired;
        Self {
            desired,
            ready: status.ready_replicas.unwrap_or(0),
            // Those that were too many are gone too.
            rolled_out: seen && current && status.replicas <= desired,
            version,
            etcd_members: None,
            template_revision,
            cut_off_since,
            problem: None,
        }
    }
}

impl From<&Deployment> for Workload {
    fn from(deployment: &Deployment) -> Self {
        let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let version = version(&deployment.metadata);
        let etcd_members = etcd_members(&deployment.metadata);
        let template_revision =
            deployment.spec.as_ref().and_then(|spec| template_revision(&spec.template));
        let Some(status) = &deployment.status else {
            return Self { desired, version, etcd_members, template_revision, ..Self::default() };
        };
        let seen =
            status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0);
        Self {
            desired,
            ready: status.ready_replicas.unwrap_or(0),
            rolled_out: seen
                && status.updated_replicas.unwrap_or(0) == desired
                // Those of before are gone too: two versions no longer serve side by side.
                && status.replicas.unwrap_or(0) + status.terminating_replicas.unwrap_or(0)
                    == desired,
            version,
            etcd_members,
            template_revision,
            cut_off_since: None,
            problem: None,
        }
    }
}

fn version(metadata: &ObjectMeta) -> Option<KubernetesVersion> {
    metadata.labels.as_ref()?.get(labels::VERSION_LABEL)?.parse().ok()
}

fn etcd_members(metadata: &ObjectMeta) -> Option<u8> {
    metadata.annotations.as_ref()?.get(labels::ETCD_MEMBERS)?.parse().ok()
}

fn cut_off_since(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.annotations.as_ref()?.get(labels::NODES_CUT_OFF_SINCE)?.parse().ok()
}

/// The workloads of one tenant; `None`: not there (yet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workloads {
    /// StatefulSet `etcd`.
    pub etcd: Option<Workload>,
    /// Deployment `kube-apiserver`.
    pub api_server: Option<Workload>,
    /// StatefulSet `kube-controller-manager`.
    pub controller_manager: Option<Workload>,
    /// StatefulSet `kube-scheduler`.
    pub scheduler: Option<Workload>,
}

impl Workloads {
    /// Whether all are there and settled.
    #[must_use]
    pub fn are_settled(&self) -> bool {
        let Self { etcd, api_server, controller_manager, scheduler } = self;
        [etcd, api_server, controller_manager, scheduler]
            .into_iter()
            .all(|workload| workload.as_ref().is_some_and(Workload::is_settled))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stateful_set_is_settled_once_those_that_were_too_many_are_gone() {
        let with = |pods: i32| {
            let set = json!({
                "metadata": {"generation": 2}, "spec": {"replicas": 1},
                "status": {
                    "observedGeneration": 2, "replicas": pods, "readyReplicas": pods,
                    "currentRevision": "a", "updateRevision": "a",
                },
            });
            let set: StatefulSet = serde_json::from_value(set).unwrap();
            Workload::from(&set).is_settled()
        };
        assert!(with(1));
        assert!(!with(3));
    }
}
