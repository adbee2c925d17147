//! The controller of `TenantCluster`: one pass is observe → validate → apply → follow → status → announce.

mod announce;
mod apply;
mod balancer;
mod bounded_client;
mod bucket;
mod claims;
mod cleanup;
mod components;
mod diagnose;
mod error;
mod follow;
mod kubeconfig;
mod kubelets;
mod meltdown;
mod members;
mod next_look;
mod observe;
mod rights;
mod services;
mod snapshots;
mod steps;
mod turns;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use nagaya_api::{TenantCluster, TenantClusterStatus, conditions};
use nagaya_render::status::{Findings, Probed, compute_status};
use nagaya_render::tenant::Tenant;
use nagaya_render::validate::{Refusal, last_accepted, validate};
use tokio::sync::mpsc;

use apply::Progress;
pub use claims::Claims;
pub use error::Error;
pub use kubeconfig::HandedOut;
use next_look::{RESYNC, next_look};
use observe::Observed;
pub use steps::Steps;
pub use turns::Turns;

use super::Context;
use super::places::Places;
use crate::kube_ops::{finalizer, patch_status};
use crate::tenant::TenantKey;

const CONTROLLER: &str = "tenantcluster";
/// Held while the control plane exists: an object of a namespace cannot own another namespace.
const FINALIZER: &str = "nagaya.dev/control-plane";
/// Runs until the manager stops.
pub async fn run(
    context: Arc<Context>,
    woken: impl Stream<Item = ObjectRef<TenantCluster>> + Send + 'static,
    mut enabled_projects: mpsc::UnboundedReceiver<String>,
) {
    let all = Api::<TenantCluster>::all(context.manager.clients.projects.clone());
    let (tenants, writer) = reflector::store();
    // Who owns which of its fields is asked of no TenantCluster, and as trees that was most of what one takes.
    let events = watcher(all, watcher::Config::default())
        .modify(|tenant| tenant.meta_mut().managed_fields = None)
        .reflect(writer)
        .applied_objects();
    let controller = Controller::for_stream(events, tenants.clone());
    context.turns.know(tenants.clone());
    let cache = tenants.clone();
    let (again, of_projects) = crate::tenant::wakeups();
    let for_projects = Arc::clone(&context);
    let follow_projects = async move {
        rights::give_back(&for_projects).await;
        while let Some(project) = enabled_projects.recv().await {
            rights::give_back(&for_projects).await;
            let affected = tenants.state();
            for tenant in affected.iter().filter(|one| one.namespace().as_ref() == Some(&project)) {
                again.wake_object(ObjectRef::from_obj(tenant.as_ref()));
            }
        }
    };
    let shutdown = context.manager.shutdown.clone();
    let places = Arc::new(Places::new(
        context.manager.config.manager.concurrent_reconciles,
        |tenant| !finalizer::is_held(tenant, FINALIZER),
        shutdown.clone(),
    ));
    let passes = controller
        .reconcile_on(woken)
        .reconcile_on(of_projects)
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        .run(
            move |raw, context| {
                let (places, cache) = (Arc::clone(&places), cache.clone());
                async move { places.pass(&cache, raw, |raw| reconcile(raw, context)).await }
            },
            on_error,
            Arc::clone(&context),
        )
        .for_each(|passed| {
            // Somebody took the finalizer away: no pass will be over it any more.
            if let Err(controller::Error::ObjectNotFound(gone)) = passed {
                let namespace = gone.namespace.unwrap_or_default();
                context.manager.metrics.tenants.forget(&namespace, &gone.name);
            }
            std::future::ready(())
        });
    tokio::join!(passes, async {
        tokio::pin!(follow_projects);
        follow_projects.await;
    });
}

/// One pass over one object.
async fn reconcile(raw: Arc<TenantCluster>, context: Arc<Context>) -> Result<Action, Error> {
    let key = tenant_key(&raw).ok_or(Error::ObjectIncomplete)?;
    let started = Instant::now();
    let result = if raw.meta().deletion_timestamp.is_some() {
        cleanup::clean_up(&context, &raw, &key).await
    } else {
        Box::pin(pass(&context, &raw, &key)).await
    };
    let failure = result.as_ref().err().map(Error::reason);
    context.manager.metrics.reconciled(CONTROLLER, started.elapsed(), failure);
    if result.is_ok() {
        context.backoff.forget(&key);
    }
    result
}

async fn pass(context: &Context, raw: &TenantCluster, key: &TenantKey) -> Result<Action, Error> {
    let now = context.now();
    let observed = observe::observe(context, raw, key).await?;
    if !observed.project_enabled {
        rights::give_back(context).await;
    }
    let around = observed.surroundings(context.settings());
    let unshared = |tenant| claims::unshared(context, key, tenant, observed.born());
    let (tenant, refusal) = match validate(raw, around).and_then(unshared) {
        Ok(tenant) => (Some(tenant), None),
        // Of two that came together, both were accepted before either was seen.
        Err(refusal) => {
            (last_accepted(raw, around).and_then(|tenant| unshared(tenant).ok()), Some(refusal))
        }
    };
    let tenant = tenant.map(|tenant| balancer::with_address(raw, tenant, &observed));
    let mut raw = Cow::Borrowed(raw);
    let (progress, mut trouble) = match &tenant {
        Some(tenant) => Box::pin(make(context, &mut raw, key, tenant, &observed, now)).await,
        None => (None, None),
    };
    let raw = raw.as_ref();
    let next_snapshot = progress.as_ref().and_then(|progress| progress.next_snapshot);
    let plane_exists = !observed.planes.is_empty() || progress.is_some();
    let tenant = if let Some(progress) = progress {
        let followed = follow::follow(context, raw, key, &progress, &observed);
        let attended = members::attend(context, key, &progress, &observed, raw).await;
        trouble = trouble.or(followed.err()).or(attended.err()).or(progress.trouble);
        Some(progress.tenant)
    } else {
        balancer::forget_endpoint(context, key, tenant.as_ref());
        tenant
    };
    let verdict = Verdict {
        tenant: tenant.as_ref(),
        plane_exists,
        refusal: refusal.as_ref(),
        trouble: trouble.as_ref(),
    };
    let status = status(context, raw, key, &verdict, &observed);
    measure(context, raw, key, &status);
    let held_back = publish(context, raw, key, &status).await?;
    if let Some(error) = trouble {
        return Err(error);
    }
    let due = due(context, key, next_snapshot, now);
    let next_look = next_look(&observed, &status, due, now);
    Ok(Action::requeue(held_back.map_or(next_look, |held_back| next_look.min(held_back))))
}

fn measure(context: &Context, raw: &TenantCluster, key: &TenantKey, status: &TenantClusterStatus) {
    let first_expiry = context.keyring.last_seen(key).and_then(|keys| keys.first_expiry);
    let metrics = &context.manager.metrics.tenants;
    metrics.keep(raw, status, first_expiry, context.now());
    if let Some(size) = context.etcd.seen(key).and_then(|seen| seen.look.size()) {
        metrics.etcd_size(&key.namespace, &key.name, size);
    }
}

/// What has its time, whatever happens.
fn due(
    context: &Context,
    key: &TenantKey,
    next_snapshot: Option<Timestamp>,
    now: Timestamp,
) -> [Option<Timestamp>; 4] {
    let certificate = context.keyring.last_seen(key).map(|keys| keys.next_due);
    let read_again = context.keyring.read_again(key, now);
    // Until it writes again, or etcd has said why not.
    let stalled = context.prober.store().get(key).filter(|seen| seen.report.stalled);
    [certificate, read_again, next_snapshot, stalled.map(|_| now)]
}

/// Writes the status and tells what is new in it, or returns how long that has to wait.
async fn publish(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    status: &TenantClusterStatus,
) -> Result<Option<Duration>, Error> {
    if let Some(held_back) = context.steps.wait(key, raw, status) {
        return Ok(Some(held_back));
    }
    let client = context.manager.clients.projects.clone();
    let all = Api::<TenantCluster>::namespaced(client, &key.namespace);
    if patch_status(&all, raw, status).await? {
        context.steps.told(key);
    }
    context.turns.seen(key, status);
    announce::announce(context, raw, status).await;
    Ok(None)
}

/// How far the management side is now, and what went wrong. What runs is followed all the same: Ready is not
/// to be guessed for as long as something cannot be applied. `raw` gets the finalizer before there is anything to clean up.
async fn make(
    context: &Context,
    raw: &mut Cow<'_, TenantCluster>,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
    now: Timestamp,
) -> (Option<Progress>, Option<Error>) {
    let look_on = async || {
        if observed.planes.is_empty() || tenant.exposure.addresses.is_empty() {
            return Ok(None);
        }
        apply::look_on(context, key, tenant, observed, now).await.map(Some)
    };
    if raw.spec.paused {
        return look_on().await.map_or_else(|error| (None, Some(error)), |seen| (seen, None));
    }
    let apply = async {
        let projects = Api::namespaced(context.manager.clients.projects.clone(), &key.namespace);
        if let Some(held) = finalizer::hold(&projects, raw.as_ref(), FINALIZER).await? {
            *raw = Cow::Owned(held);
        }
        Box::pin(apply::apply(context, raw, key, tenant, observed, now)).await
    };
    match apply.await {
        Ok(progress) => (progress, None),
        Err(error) => (look_on().await.ok().flatten(), Some(error)),
    }
}

/// What a pass came to.
struct Verdict<'a> {
    /// Whose plane is in force, as far as it was applied.
    tenant: Option<&'a Tenant>,
    /// Not so for one that is paused from birth: status would tell of a namespace, and the next pass miss it.
    plane_exists: bool,
    refusal: Option<&'a Refusal>,
    trouble: Option<&'a Error>,
}

/// Computed once per pass, whether it succeeded or not.
fn status(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    verdict: &Verdict<'_>,
    observed: &Observed,
) -> TenantClusterStatus {
    let now = context.now();
    let failure = verdict.trouble.map(|error| error.failure(raw, now));
    let seen = context.prober.store().get(key);
    let endpoint = verdict.tenant.and_then(Tenant::endpoint).map(|endpoint| endpoint.authority());
    let limited = raw.condition(conditions::CONNECTIONS_LIMITED);
    compute_status(&Findings {
        raw,
        now,
        tenant: verdict.tenant,
        refusal: verdict.refusal,
        plane_exists: verdict.plane_exists,
        failure: failure.as_ref(),
        contested: context.contests.of(key).as_ref(),
        certificates_ready: context.keyring.last_seen(key).is_some(),
        workloads: &observed.workloads,
        etcd: context.etcd.seen(key).map(|seen| seen.findings()).as_ref(),
        jobs: &observed.jobs,
        balancer: &observed.balancer,
        content: &context.content.state(key),
        probed: match &seen {
            Some(seen) if endpoint.is_some() && seen.place != endpoint => Probed::Elsewhere,
            Some(seen) if seen.report.unreachable() && context.prober.store().blind() => {
                Probed::Blind
            }
            Some(seen) => Probed::Report(&seen.report),
            None => Probed::NotYet,
        },
        nodes: context.watches.nodes(key).as_deref(),
        nodes_left: context.watches.nodes_left(key).as_ref(),
        limited: verdict
            .tenant
            .filter(|tenant| tenant.is_behind_gateway())
            .and_then(|_| context.limits.of(key, limited))
            .as_ref(),
        born: observed.born(),
    })
}

#[allow(clippy::needless_pass_by_value)]
fn on_error(raw: Arc<TenantCluster>, error: &Error, context: Arc<Context>) -> Action {
    let delay = tenant_key(&raw).map_or(RESYNC, |key| context.backoff.failed(key));
    tracing::warn!(
        tenant = %ObjectRef::from_obj(raw.as_ref()), reason = error.reason(), error = %error,
        again_in_ms = delay.as_millis(), "a pass over a TenantCluster failed"
    );
    Action::requeue(delay)
}

/// `None`: not from an API server.
fn tenant_key(raw: &TenantCluster) -> Option<TenantKey> {
    Some(TenantKey { namespace: raw.namespace()?, name: raw.name_any(), uid: raw.uid()? })
}
