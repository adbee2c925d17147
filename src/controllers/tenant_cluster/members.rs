//! etcd's members: what the objects and etcd say of them, and the errand that follows.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::membership::{
    Circumstances, EtcdShape, EtcdView, Space, is_to_be_looked_at, next_removals, tells_who_joins,
};
use nagaya_render::plane::names;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::rolling::TemplateState;
use nagaya_render::snapshots::{JobState, PlaneJobs, SnapshotGate, SnapshotJob};
use nagaya_render::tenant::Tenant;
use nagaya_render::workloads::{Workload, Workloads};

use super::apply::Progress;
use super::follow::was_ready;
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
    let pods = if plane.born && is_ill { pods(context, namespace).await? } else { Vec::new() };
    Ok(Members {
        seen: context.etcd.seen(key),
        state: context.caches.config_maps.get(&state),
        workloads: workloads.clone(),
        emptied: pods.iter().filter(|pod| is_emptied(pod)).filter_map(member_of).collect(),
        looping: pods.into_iter().filter(is_looping).collect(),
    })
}

async fn pods(context: &Context, namespace: &str) -> Result<Vec<Pod>, Error> {
    let pods = Api::<Pod>::namespaced(context.manager.clients.planes.clone(), namespace);
    let of_etcd = format!("{}={}", labels::NAME, names::ETCD);
    Ok(kube_ops::list(&pods, &ListParams::default().labels(&of_etcd)).await?)
}

fn is_looping(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter());
    containers.flatten().any(|container| {
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        waiting.and_then(|waiting| waiting.reason.as_deref()) == Some("CrashLoopBackOff")
    })
}

/// By how the admission ended last: one that was refused may have been let in since.
fn is_emptied(pod: &Pod) -> bool {
    let admissions = pod.status.iter().flat_map(|status| status.init_container_statuses.iter());
    admissions.flatten().any(|container| {
        let (state, last) = (container.state.as_ref(), container.last_state.as_ref());
        let waits = state.is_some_and(|state| state.waiting.is_some());
        let end = state.and_then(|state| state.terminated.as_ref());
        let end = end.or_else(|| last.filter(|_| waits)?.terminated.as_ref());
        end.is_some_and(|end| end.exit_code == i32::from(names::EMPTY_VOLUME))
    })
}

fn member_of(pod: &Pod) -> Option<u8> {
    pod.name_any().strip_prefix("etcd-")?.parse().ok()
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
    let step = seen.filter(|seen| !seen.is_old(was_ready(raw) && writes)).map(|seen| &seen.step);
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

/// A pod that was let onto its volume as the member before it is made anew: it is asked again only when it starts.
async fn admit_anew(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    looping: &[Pod],
) -> Result<(), Error> {
    let planes = context.manager.clients.planes.clone();
    let pods = Api::<Pod>::namespaced(planes, &tenant.plane_namespace);
    let joins = shape.joining.as_ref().map(|joining| joining.ordinal);
    for pod in looping.iter().filter(|pod| joins.is_some() && member_of(pod) == joins) {
        kube_ops::delete_with_grace(&pods, pod, 0).await?;
    }
    Ok(())
}

/// Lets go of the volumes of members that are gone, before their pods are: from then on nobody would know of them.
/// Kubernetes keeps a claim until its pod has ended.
pub async fn release_volumes(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    observed: &Observed,
) -> Result<(), Error> {
    let etcd = observed.workloads.etcd.as_ref();
    if etcd.is_none_or(|etcd| etcd.desired <= i32::from(shape.replicas)) {
        return Ok(());
    }
    release_beyond(context, tenant, shape).await.map(drop)
}

/// Whether a member that is to join would find the volume of another one, such as of before a restore: it goes first.
async fn has_stale_volumes(
    context: &Context,
    tenant: &Tenant,
    progress: &Progress,
    observed: &Observed,
) -> Result<bool, Error> {
    let view = observed.members.seen.as_ref().map(|seen| &seen.look.view);
    let is_known = matches!(view, Some(EtcdView::Quorum(_)));
    let shape = &progress.members;
    if usize::from(target(tenant)) <= shape.members.len() {
        return Ok(false);
    }
    // Before the first look nobody knows whose volumes there are.
    Ok(!is_known || release_beyond(context, tenant, shape).await?)
}

/// Whether there were claims of other members than those that have pods.
async fn release_beyond(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
) -> Result<bool, Error> {
    let claims = claims(context, tenant);
    let stale = beyond(&claims, shape.replicas).await?;
    for claim in stale.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        kube_ops::delete(&claims, claim).await?;
    }
    Ok(!stale.is_empty())
}

fn claims(context: &Context, tenant: &Tenant) -> Api<PersistentVolumeClaim> {
    Api::namespaced(context.manager.clients.planes.clone(), &tenant.plane_namespace)
}

/// Claims of other members than the first ones.
async fn beyond(
    claims: &Api<PersistentVolumeClaim>,
    first: u8,
) -> Result<Vec<PersistentVolumeClaim>, Error> {
    let of_etcd = format!("{}={}", labels::NAME, names::ETCD);
    let mut found = kube_ops::list(claims, &ListParams::default().labels(&of_etcd)).await?;
    found.retain(|claim| {
        let name = claim.name_any();
        let ordinal = name.strip_prefix("data-etcd-").and_then(|rest| rest.parse::<u8>().ok());
        ordinal.is_some_and(|ordinal| ordinal >= first)
    });
    Ok(found)
}

/// The schema lets nothing else through than 1, 3 and 5.
fn target(tenant: &Tenant) -> u8 {
    u8::try_from(tenant.etcd.replicas).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_emptied_by(admission: &serde_json::Value) -> bool {
        let mut container = json!({
            "name": "admit-member", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        });
        for part in ["state", "lastState"] {
            container[part] = admission[part].clone();
        }
        let pod = json!({"status": {"initContainerStatuses": [container]}});
        is_emptied(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_member_that_has_been_let_in_since_is_no_lost_one() {
        let ended = |code: u8| json!({"terminated": {"exitCode": code}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert!(is_emptied_by(&json!({"state": ended(3)})));
        assert!(is_emptied_by(&json!({"state": waiting, "lastState": ended(3)})));
        assert!(!is_emptied_by(&json!({"state": ended(0), "lastState": ended(3)})));
        assert!(!is_emptied_by(&json!({"state": ended(1)})));
        assert!(!is_emptied_by(&json!({"state": {"running": {}}, "lastState": ended(3)})));
    }
}
