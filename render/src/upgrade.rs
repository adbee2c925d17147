//! Which version each part of a tenant is to run now, on the way from one version to the next.
//!
//! The order is that of the version skew policy: a snapshot, then, once etcd is well, kube-apiserver, then kube-controller-manager and
//! kube-scheduler, then what nodes and kubeadm read. A part follows when the one before it is healthy at the
//! new version. Nothing is stored: what runs says how far it is, so that a pass after a crash goes on there.

use jiff::Timestamp;

use crate::minors::KubernetesVersion;
use crate::snapshots::{PlaneJobs, SnapshotGate};
use crate::tenant::Tenant;
use crate::workloads::{Workload, Workloads};

/// The versions to run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// kube-apiserver.
    pub api_server: KubernetesVersion,
    /// kube-controller-manager, never newer than kube-apiserver.
    pub controller_manager: KubernetesVersion,
    /// kube-scheduler, never newer than kube-apiserver.
    pub scheduler: KubernetesVersion,
    /// kube-proxy, CoreDNS and what kubeadm reads: kubelets that join are never newer than what serves them.
    pub content: KubernetesVersion,
}

impl Versions {
    /// Everything at the tenant's version.
    #[must_use]
    pub fn done(tenant: &Tenant) -> Self {
        let version = tenant.version;
        Self {
            api_server: version,
            controller_manager: version,
            scheduler: version,
            content: version,
        }
    }

    /// Everything where it was: the upgrade has to wait for the snapshot before it.
    #[must_use]
    pub fn held(from: KubernetesVersion) -> Self {
        Self { api_server: from, controller_manager: from, scheduler: from, content: from }
    }

    /// The next step towards the tenant's version. `content`: where this manager has its content already.
    #[must_use]
    pub fn next(
        tenant: &Tenant,
        workloads: &Workloads,
        content: Option<KubernetesVersion>,
    ) -> Self {
        let target = tenant.version;
        let Some(from) = tenant.upgrading_from else { return Self::done(tenant) };
        let running = |workload: &Option<Workload>| workload.as_ref().and_then(|one| one.version);
        let is_at = |workload: &Option<Workload>| {
            workload.as_ref().is_some_and(|one| one.version == Some(target) && one.is_settled())
        };
        let etcd_is_well = workloads.etcd.as_ref().is_none_or(Workload::is_settled);
        // What has moved does not go back when the part before it falls ill.
        let step = |may_follow: bool, now: Option<KubernetesVersion>| {
            if may_follow { target } else { now.unwrap_or(from) }
        };
        let served = is_at(&workloads.api_server);
        let controlled = is_at(&workloads.controller_manager) && is_at(&workloads.scheduler);
        Self {
            api_server: step(etcd_is_well, running(&workloads.api_server)),
            controller_manager: step(served, running(&workloads.controller_manager)),
            scheduler: step(served, running(&workloads.scheduler)),
            content: step(served && controlled, content),
        }
    }

    /// What is being waited for, in words; `None`: nothing, all is at `target`.
    #[must_use]
    pub fn waits_for(&self, target: KubernetesVersion) -> Option<&'static str> {
        if self.api_server != target {
            Some("etcd")
        } else if self.controller_manager != target || self.scheduler != target {
            Some("kube-apiserver")
        } else if self.content != target {
            Some("kube-controller-manager and kube-scheduler")
        } else {
            None
        }
    }
}

/// The gate in front of an upgrade's first step; `None`: there is no upgrade, or it has begun.
#[must_use]
pub fn gate(
    tenant: &Tenant,
    workloads: &Workloads,
    jobs: &PlaneJobs,
    now: Timestamp,
) -> Option<SnapshotGate> {
    tenant.upgrading_from?;
    let running = workloads.api_server.as_ref().and_then(|one| one.version);
    let operation = format!("the upgrade to {}", tenant.version);
    (running != Some(tenant.version)).then(|| SnapshotGate::before(&operation, tenant, jobs, now))
}
