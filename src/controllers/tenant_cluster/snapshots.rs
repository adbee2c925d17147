//! The I/O of saving and restoring etcd: which Jobs and pods there are, and those to make and to end. What follows
//! from them is decided in `nagaya_render::snapshots`.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::certificates::build_snapshot_client;
use nagaya_render::diagnosis::of_pod;
use nagaya_render::plane::{
    build_first_claim, build_restore_job, build_snapshot_job, build_snapshots_claim, names,
};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::snapshots::{
    Phase, PlaneJobs, RestoreJob, SCHEDULED, SnapshotJob, SnapshotPlan, restore_phase, taken,
};
use nagaya_render::tenant::Tenant;
use nagaya_render::upgrade;
use nagaya_render::workloads::Workloads;

use super::Error;
use super::bucket::bring_credentials;
use super::observe::Observed;
use crate::controllers::Context;
use crate::keyring::Keys;
use crate::kube_ops::{self, create_once};

/// Scheduled snapshots of all tenants at the same time: after a pause of the manager, all may be due at once.
const AT_ONCE: usize = 8;
/// A Job that takes longer is kept by something, and keeps nobody else.
const AT_WORK: SignedDuration = SignedDuration::from_mins(5);
const NOT_YET: SignedDuration = SignedDuration::from_mins(1);
/// Components whose pods have to be gone while etcd's volume is filled.
const STOPPED: [&str; 5] = [
    names::ETCD,
    names::API_SERVER,
    names::CONTROLLER_MANAGER,
    names::SCHEDULER,
    names::ETCD_RESTORE,
];

/// What there is of Jobs, and of pods where they matter. Usually there is no Job, and nobody is asked anything.
pub async fn observe(
    context: &Context,
    raw: &TenantCluster,
    plane: &PlaneRecord,
    workloads: &Workloads,
) -> Result<PlaneJobs, Error> {
    let namespace = Some(plane.namespace.as_str());
    let all = context.caches.jobs.state();
    let jobs: Vec<&Job> = all
        .iter()
        .map(AsRef::as_ref)
        .filter(|job| job.metadata.namespace.as_deref() == namespace)
        .collect();
    let wanted = raw.spec.restore_from.as_ref().map(|from| &from.snapshot);
    let restores = wanted.is_some() && wanted != plane.restored_from.as_ref();
    // Where there is no etcd yet, the manager may have no rights either: a namespace may come out of a bucket.
    let is_asked = workloads.etcd.as_ref().is_some_and(|etcd| restores || etcd.desired == 0);
    if jobs.is_empty() && !is_asked {
        return Ok(PlaneJobs::default());
    }
    let api = Api::<Pod>::namespaced(context.manager.clients.planes.clone(), &plane.namespace);
    let pods = kube_ops::list(&api, &ListParams::default()).await?;
    let pods_of = |job: &Job| -> Vec<&Pod> {
        let name = job.name_any();
        let of_job = |pod: &&Pod| pod.labels().get("batch.kubernetes.io/job-name") == Some(&name);
        pods.iter().filter(of_job).collect()
    };
    let component = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get(labels::NAME).cloned().unwrap_or_default()
    };
    let of = |kind: &'static str| {
        jobs.iter().copied().filter(move |job| component(job.labels()) == kind)
    };
    let now = context.now();
    let problem = |pod: &Pod| of_pod(pod, now).map(|blocked| blocked.to_string());
    Ok(PlaneJobs {
        snapshots: of(names::ETCD_SNAPSHOT)
            .map(|job| SnapshotJob::read(job, &pods_of(job), problem))
            .collect(),
        restore: of(names::ETCD_RESTORE)
            .map(|job| RestoreJob::read(job, &pods_of(job), problem))
            .next(),
        running: pods
            .iter()
            .filter(|pod| STOPPED.contains(&component(pod.labels()).as_str()) && !has_ended(pod))
            .map(ResourceExt::name_any)
            .collect(),
    })
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The tenant with what its Jobs have come to since it was put on record, and how far its restore is.
pub fn catch_up(tenant: &Tenant, observed: &Observed, now: Timestamp) -> (Tenant, Phase) {
    let mut tenant = tenant.clone();
    tenant.snapshots.taken = taken(&tenant.snapshots.taken, &observed.jobs);
    match restore_phase(&tenant, &observed.workloads, &observed.jobs, now) {
        Phase::Filled(snapshot) => {
            tenant.snapshots.restoring = None;
            tenant.snapshots.restored = Some(snapshot);
            (tenant, Phase::None)
        }
        phase => (tenant, phase),
    }
}

/// Makes and ends Jobs. Returns when to look again.
pub async fn work(
    context: &Context,
    raw: &TenantCluster,
    tenant: &Tenant,
    observed: &Observed,
    phase: &Phase,
    keys: &Keys,
) -> Result<Option<Timestamp>, Error> {
    let now = context.now();
    let Some(plane) = observed.planes.first() else { return Ok(None) };
    restore(context, tenant, observed, plane, phase, now).await?;
    let mut gates: Vec<_> =
        upgrade::gate(tenant, &observed.workloads, &observed.jobs, now).into_iter().collect();
    if let Phase::Saving(gate) = phase {
        gates.push(gate.clone());
    }
    gates.extend(observed.members.gate(tenant, &observed.jobs, now).map(|(_, gate)| gate));
    let may_begin = raw.is_ready() && !phase.is_under_way();
    let created = raw.metadata.creation_timestamp.as_ref().map_or(now, |created| created.0);
    let begins = (created, may_begin);
    let plan = SnapshotPlan::next(tenant, &plane.snapshots, &observed.jobs, &gates, begins, now);
    for job in &plan.finished {
        end_job(context, &plane.namespace, job).await?;
    }
    let Some(reason) = &plan.take else { return Ok(plan.next) };
    if phase.stops_plane() || (reason == SCHEDULED && is_crowded(context)) {
        return Ok(now.checked_add(NOT_YET).ok());
    }
    take(context, tenant, observed.project_enabled, keys, reason, now).await?;
    Ok(plan.next)
}

fn is_crowded(context: &Context) -> bool {
    let since = context.now() - AT_WORK;
    let at_work = |job: &Job| {
        let made = job.metadata.creation_timestamp.as_ref();
        job.status.as_ref().is_none_or(|status| status.completion_time.is_none())
            && made.is_some_and(|made| made.0 > since)
            && job.labels().get(labels::NAME).is_some_and(|name| name == names::ETCD_SNAPSHOT)
    };
    context.caches.jobs.state().iter().filter(|job| at_work(job)).count() >= AT_ONCE
}

async fn take(
    context: &Context,
    tenant: &Tenant,
    project_enabled: bool,
    keys: &Keys,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let planes = &context.manager.clients.planes;
    let namespace = &tenant.plane_namespace;
    let jobs = Api::<Job>::namespaced(planes.clone(), namespace);
    // A cache that lags would begin a second one.
    let component = format!("{}={}", labels::NAME, names::ETCD_SNAPSHOT);
    if !kube_ops::list(&jobs, &ListParams::default().labels(&component)).await?.is_empty() {
        return Ok(());
    }
    let secrets = Api::<Secret>::namespaced(planes.clone(), namespace);
    let client = build_snapshot_client(tenant, &keys.authorities, now)?;
    let live = kube_ops::get(&secrets, &client.name_any()).await?;
    kube_ops::apply(&secrets, live.as_ref(), &client).await?;
    if tenant.snapshots.bucket.is_some() {
        bring_credentials(context, tenant, project_enabled).await?;
    } else {
        let claims = Api::<PersistentVolumeClaim>::namespaced(planes.clone(), namespace);
        create_once(&claims, &build_snapshots_claim(tenant)).await?;
    }
    let job = build_snapshot_job(tenant, context.settings(), reason, now);
    create_once(&jobs, &job).await?;
    tracing::info!(%namespace, reason, "a snapshot of etcd is taken");
    Ok(())
}

async fn restore(
    context: &Context,
    tenant: &Tenant,
    observed: &Observed,
    plane: &PlaneRecord,
    phase: &Phase,
    now: Timestamp,
) -> Result<(), Error> {
    let job = observed.jobs.restore.as_ref();
    match (phase, job, &tenant.snapshots.restoring) {
        (Phase::Abandoning(_), Some(job), _) => end_job(context, &plane.namespace, &job.name).await,
        // Only once it is on record: until then the Job is what says that it is done.
        (Phase::None, Some(job), _) if plane.restored_from.as_ref() == Some(&job.snapshot) => {
            end_job(context, &plane.namespace, &job.name).await
        }
        (Phase::Filling { keep_old, .. }, None, Some(snapshot)) => {
            bring_credentials(context, tenant, observed.project_enabled).await?;
            let planes = &context.manager.clients.planes;
            let claims = Api::<PersistentVolumeClaim>::namespaced(planes.clone(), &plane.namespace);
            // Made anew if it is lost.
            create_once(&claims, &build_first_claim(tenant)).await?;
            let jobs = Api::<Job>::namespaced(planes.clone(), &plane.namespace);
            let settings = context.settings();
            let job = build_restore_job(tenant, settings, snapshot, *keep_old, now);
            create_once(&jobs, &job).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn end_job(context: &Context, namespace: &str, name: &str) -> Result<(), Error> {
    let reference = kube::runtime::reflector::ObjectRef::new(name).within(namespace);
    let Some(job) = context.caches.jobs.get(&reference) else { return Ok(()) };
    let jobs = Api::<Job>::namespaced(context.manager.clients.planes.clone(), namespace);
    Ok(kube_ops::delete_with_grace(&jobs, job.as_ref(), 0).await?)
}
