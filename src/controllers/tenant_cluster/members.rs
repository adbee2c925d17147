//! etcd's members: what the objects and etcd say of them, and the errand that follows.

mod pods;
mod volumes;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use nagaya_api::TenantCluster;
use nagaya_render::membership::{
    Circumstances, EtcdShape, Space, is_to_be_looked_at, next_removals, tells_who_joins,
};
use nagaya_render::plane::names;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::snapshots::{JobState, PlaneJobs, SnapshotGate, SnapshotJob};
use nagaya_render::tenant::Tenant;
use nagaya_render::turns::TemplateState;
use nagaya_render::workloads::{Workload, Workloads};

use pods::{admit_anew, is_emptied, is_looping, member_of};
use volumes::has_stale_volumes;
pub use volumes::{note_claims, release_volumes};

use super::apply::Progress;
use super::observe::Observed;
use super::{Error, announce};
use crate::controllers::Context;
use crate::etcd::{Errand, EtcdAccess, Seen};
use crate::kube_ops;
use crate::tenant::TenantKey;

/// What is known of etcd's members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// What etcd said last.
    pub seen: Option<Arc<Seen>>,
    /// What joining members are told now.
    state: Option<ConfigMap>,
    workloads: Workloads,
    /// Ordinals whose volume turned out to be empty.
    emptied: Vec<u8>,
    /// Pods that were let onto their volume, and whose etcd ends again and again.
    looping: Vec<Pod>,
}

impl Members {
    /// What the objects are to say.
    pub fn shape(&self, tenant: &Tenant) -> EtcdShape {
        let view = self.seen.as_ref().map(|seen| &seen.look.view);
        let restored = tenant.snapshots.restored.as_deref();
        EtcdShape::of(target(tenant), view, self.state.as_ref(), restored, &self.workloads)
    }

    /// The member whose removal is next, if any, and what that waits for.
    pub fn gate(
        &self,
        tenant: &Tenant,
        jobs: &PlaneJobs,
        now: Timestamp,
    ) -> Option<(u64, SnapshotGate)> {
        let view = &self.seen.as_ref()?.look.view;
        let leaving = next_removals(view, &self.circumstances(tenant));
        let gate = SnapshotGate::before_removals(&leaving, tenant, jobs, now);
        Some((*leaving.first()?, gate))
    }

    /// But for what has to be asked for.
    fn circumstances(&self, tenant: &Tenant) -> Circumstances {
        let api_server = self.workloads.api_server.as_ref();
        let connected = api_server.and_then(|one| one.etcd_members);
        Circumstances {
            target: target(tenant),
            serving: connected.unwrap_or(names::MOST_ETCD_MEMBERS),
            api_servers_settled: api_server.is_some_and(Workload::is_settled),
            joining_told: self.state.as_ref().is_some_and(tells_who_joins),
            emptied: self.emptied.clone(),
            ..Circumstances::default()
        }
    }
}

/// Pods are asked only while etcd is not well.
pub async fn observe(
    context: &Context,
    key: &TenantKey,
    plane: &PlaneRecord,
    workloads: &Workloads,
) -> Result<Members, Error> {
    let namespace = &plane.namespace;
    let state = ObjectRef::new(names::ETCD_STATE).within(namespace);
    let is_ill = workloads.etcd.as_ref().is_some_and(|etcd| !etcd.is_settled());
    let pods =
        if plane.born && is_ill { pods::list(context, namespace).await? } else { Vec::new() };
    Ok(Members {
        seen: context.etcd.seen(key),
        state: context.caches.config_maps.get(&state),
        workloads: workloads.clone(),
        emptied: pods.iter().filter(|pod| is_emptied(pod)).filter_map(member_of).collect(),
        looping: pods.into_iter().filter(is_looping).collect(),
    })
}

/// The StatefulSet of etcd as it is now, for what must not be decided by a cache that may show that of before.
pub async fn ask_workload(
    context: &Context,
    namespace: &str,
) -> Result<Option<Workload>, kube_ops::Error> {
    let sets = Api::<StatefulSet>::namespaced(context.manager.clients.planes.clone(), namespace);
    let found = kube_ops::get(&sets, names::ETCD).await?;
    Ok(found.as_ref().map(Workload::from))
}

/// Sends the keeper to etcd, if there is anything to see or do.
pub async fn attend(
    context: &Context,
    key: &TenantKey,
    progress: &Progress,
    observed: &Observed,
    raw: &TenantCluster,
) -> Result<(), Error> {
    let (tenant, shape, paused) = (&progress.tenant, &progress.members, raw.spec.paused);
    let seen = observed.members.seen.as_ref();
    let writes = !context.prober.store().get(key).is_some_and(|seen| seen.report.stalled);
    let step = seen.filter(|seen| !seen.is_old(raw.is_ready() && writes)).map(|seen| &seen.step);
    if progress.stopped
        || !observed.born()
        || !is_to_be_looked_at(target(tenant), &observed.workloads, step)
    {
        return Ok(());
    }
    if let Some(ordinal) = seen.and_then(|seen| seen.defragmented()) {
        announce::defragmented(context, raw, ordinal).await;
    }
    let gate = observed.members.gate(tenant, &observed.jobs, context.now());
    let around = Circumstances {
        stale_claims: !paused && has_stale_volumes(context, tenant, progress, observed).await?,
        saved_for: gate.as_ref().filter(|(_, gate)| gate.is_open()).map(|(id, _)| *id),
        unsaved: gate.map(|(_, gate)| gate.words().to_owned()),
        space: Space {
            calm: is_calm(tenant, observed),
            saving: !is_idle(&observed.jobs),
            ..Space::default()
        },
        ..observed.members.circumstances(tenant)
    };
    let keys = &progress.keys;
    let access = EtcdAccess {
        namespace: tenant.plane_namespace.clone(),
        ca_pem: keys.authorities.etcd.cert_pem().to_owned(),
        cert_pem: keys.etcd_identity.cert_pem().to_owned(),
        key_pem: keys.etcd_identity.key_pem().to_owned(),
    };
    if !paused {
        admit_anew(context, tenant, shape, &observed.members.looping).await?;
    }
    let errand = Errand { access, members: shape.members.clone(), around, look_only: paused };
    context.etcd.attend(key, errand);
    Ok(())
}

/// Whether nothing is under way that a member which answers nobody for seconds could get into the way of.
pub fn is_calm(tenant: &Tenant, observed: &Observed) -> bool {
    let Workloads { etcd, api_server, controller_manager, scheduler } = &observed.workloads;
    let is_settled = |one: &Option<Workload>| one.as_ref().is_some_and(Workload::is_settled);
    [etcd, api_server, controller_manager, scheduler].into_iter().all(is_settled)
        && tenant.upgrading_from.is_none()
        && tenant.snapshots.restoring.is_none()
        && tenant.templates.state == TemplateState::Written
        && is_idle(&observed.jobs)
}

/// A Job that failed stays for minutes, to be looked at, and then the next one comes: what it waits for may take days.
fn is_idle(jobs: &PlaneJobs) -> bool {
    let runs = |job: &SnapshotJob| matches!(job.state, JobState::Running(_));
    jobs.restore.is_none() && jobs.running.is_empty() && !jobs.snapshots.iter().any(runs)
}

/// The schema lets nothing else through than 1, 3 and 5.
fn target(tenant: &Tenant) -> u8 {
    u8::try_from(tenant.etcd.replicas).unwrap_or(1)
}
