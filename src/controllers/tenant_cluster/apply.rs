//! The apply step: makes the management side as rendered. Order matters only where a comment says so.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::join;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{build_foundation, build_plane, names};
use nagaya_render::status::ContentState;
use nagaya_render::tenant::{Endpoint, Tenant};
use nagaya_render::upgrade::{self, Versions};
use nagaya_render::workloads::Workload;

use super::bounded_client::BoundedClient;
use super::components::apply_components;
use super::kubeconfig::hand_out_kubeconfig;
use super::meltdown::{as_it_runs, protect};
use super::members;
use super::observe::Observed;
use super::rights::{apply_rights, permitted};
use super::services::{apply_services, cluster_ip, with_node_port};
use super::turns::take_turn;
use super::{Error, balancer, snapshots};
use crate::controllers::Context;
use crate::keyring::{Access, Keys};
use crate::kube_ops::{self, Applied, annotate};
use crate::tenant::TenantKey;

/// How far the management side is after the step.
pub struct Progress {
    /// The tenant, with the port that Kubernetes has chosen.
    pub tenant: Tenant,
    /// Which version each part of it is to run now.
    pub versions: Versions,
    /// The members that etcd has now.
    pub members: EtcdShape,
    /// Where nodes reach the API server; `None` until its Service exists.
    pub endpoint: Option<Endpoint>,
    /// Address of the internal Service of the API server.
    pub api_server: Option<IpAddr>,
    /// Keys and certificates.
    pub keys: Arc<Keys>,
    /// Its etcd is being filled with a snapshot: nothing of it runs.
    pub stopped: bool,
    /// When something is to be done about its snapshots.
    pub next_snapshot: Option<Timestamp>,
    /// Why the administrator's kubeconfig could not be handed out, the Service not be made that a move awaits, or a volume not be
    /// let go of. The control plane works without.
    pub trouble: Option<Error>,
}

/// Makes everything as rendered. `None`: it waits for the address of its endpoint, which certificates and flags need.
pub async fn apply(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
    now: Timestamp,
) -> Result<Option<Progress>, Error> {
    let (tenant, phase) = snapshots::catch_up(tenant, observed, now);
    let tenant = protect(context, key, tenant, observed, now);
    let asks = end_of_upgrade(context, key, &tenant, observed);
    let asks = note_move(context, key, asks, now);
    let versions = versions_now(context, key, &asks, observed, now);
    let members = observed.members.shape(&asks);
    let rendered = build_plane(&asks, &versions, &members, context.settings());
    let tenant = &take_turn(context, raw, key, &asks, &rendered, observed, now);
    let foundation = build_foundation(tenant, &members);
    let has_endpoint = !tenant.exposure.addresses.is_empty();
    let born = observed.born() || (has_endpoint && note_birth(context, observed).await?);
    if !born && balancer::discard_in_the_way(context, tenant).await? {
        return Ok(None);
    }
    let NamespaceApplied { written: namespace, newborn } =
        apply_namespace(context, key, &foundation.namespace, None).await?;
    let planes = &BoundedClient::of_planes(context, tenant, newborn);
    let (role_binding, enabled) = (&foundation.role_binding, observed.project_enabled);
    let new_rights = apply_rights(context, planes, tenant, role_binding, enabled).await?;
    // One after the other: together they would be forbidden together.
    let services = || Box::pin(apply_services(context, planes, tenant, &members, &foundation));
    let services = permitted(new_rights, services).await;
    if !has_endpoint {
        return services.map(|_| None);
    }
    let access = Access::Write { born, newborn };
    let keys = || Box::pin(make_keys(context, key, tenant, access, now));
    let keys = permitted(new_rights, keys).await;
    let (services, keys) = (services?, keys?);
    let tenant = made_at(tenant, services.node_port, now);
    let stopped = phase.stops_plane();
    if stopped {
        // What it said of its members is not so any more when it is filled.
        context.etcd.forget(key);
    } else {
        members::note_claims(context, &tenant, &members, observed).await?;
    }
    let record = build_foundation(&tenant, &members).namespace;
    // Usually it has its templates and its port since long, and nothing else comes out.
    let plane = if tenant == asks {
        rendered
    } else {
        build_plane(&tenant, &versions, &members, context.settings())
    };
    let plane = plane.with_tunnel_certificate(keys.tunnel_certificate.as_deref());
    let state = (born, stopped);
    let components = apply_components(context, planes, &tenant, plane, &members, observed, state);
    let recorded = apply_namespace(context, key, &record, namespace);
    let (recorded, plane) = join(recorded, Box::pin(components)).await;
    let endpoint = tenant.endpoint();
    let to_hand_out = endpoint.as_ref().filter(|_| observed.project_enabled);
    let kubeconfig_failure = match to_hand_out {
        Some(endpoint) => hand_out_kubeconfig(context, &tenant, endpoint, &keys, now).await.err(),
        None => None,
    };
    recorded?;
    plane?;
    let kept_volumes = members::release_volumes(context, &tenant, &members, observed).await.err();
    if observed.born() && members::is_calm(&tenant, observed) {
        context.keyring.drop_former(&context.manager.clients.planes, key, &tenant).await;
    }
    let next_snapshot = snapshots::work(context, raw, &tenant, observed, &phase, &keys).await?;
    Ok(Some(Progress {
        tenant,
        versions,
        members,
        endpoint,
        api_server: services.api_server,
        keys,
        stopped,
        next_snapshot,
        trouble: services.awaited_failure.or(kubeconfig_failure).or(kept_volumes),
    }))
}

/// What the step would know if it may not write: for paused tenants.
pub async fn look_on(
    context: &Context,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
    now: Timestamp,
) -> Result<Progress, Error> {
    let planes = &context.manager.clients.planes;
    let keys = context.keyring.keys(planes, key, tenant, Access::Read, now).await?;
    let internal = observed.planes.first().and_then(|plane| {
        let reference = ObjectRef::new(names::API_SERVER);
        context.caches.services.get(&reference.within(&plane.namespace))
    });
    Ok(Progress {
        tenant: as_it_runs(tenant, observed),
        versions: versions_now(context, key, tenant, observed, now),
        members: observed.members.shape(tenant),
        endpoint: tenant.endpoint(),
        api_server: internal.as_ref().and_then(cluster_ip),
        keys,
        stopped: observed.workloads.etcd.as_ref().is_some_and(|etcd| etcd.desired == 0),
        next_snapshot: None,
        trouble: None,
    })
}

/// From the first time that etcd is healthy on, its data is worth something: written down before anything
/// that follows from it.
async fn note_birth(context: &Context, observed: &Observed) -> Result<bool, Error> {
    let healthy = observed.workloads.etcd.as_ref().is_some_and(Workload::serves);
    let Some(plane) = observed.planes.first().filter(|_| healthy) else { return Ok(false) };
    // One that the cache does not have yet was made a moment ago.
    let live = context.caches.planes.get(&ObjectRef::new(&plane.namespace));
    let Some(live) = live else { return Ok(false) };
    if !etcd_serves(context, &plane.namespace).await? {
        return Ok(false);
    }
    let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
    annotate(&all, live.as_ref(), "record the birth on", (labels::BORN, Some("true"))).await?;
    Ok(true)
}

/// Asked, and not only seen: after a deletion the cache may still have the etcd of a namespace that had the same name. A
/// newborn that took it for its own would wait for keys that nobody ever made.
async fn etcd_serves(context: &Context, namespace: &str) -> Result<bool, Error> {
    match members::ask_workload(context, namespace).await {
        Ok(found) => Ok(found.as_ref().is_some_and(Workload::serves)),
        // The rights come with this pass.
        Err(error) if error.is_forbidden() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What became of the namespace.
struct NamespaceApplied {
    /// As it was written, if it was.
    written: Option<Namespace>,
    /// There was none.
    newborn: bool,
}

/// `newer` is what this pass has written before, which a cache may not have yet.
async fn apply_namespace(
    context: &Context,
    key: &TenantKey,
    namespace: &Namespace,
    newer: Option<Namespace>,
) -> Result<NamespaceApplied, Error> {
    let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
    let cached = || context.caches.planes.get(&ObjectRef::new(&namespace.name_any()));
    let live = newer.or_else(|| cached().map(|live| live.as_ref().clone()));
    // A plane that lost the label by which we find ours must not be taken for a new one.
    let applied = match &live {
        Some(live) => context.contests.apply(key, &all, Some(live), namespace).await?.into(),
        None => kube_ops::apply_in_project(&all, None, namespace).await?,
    };
    let written = match applied {
        Applied::Written(written) => Some(written),
        Applied::Unchanged => None,
    };
    Ok(NamespaceApplied { newborn: live.is_none(), written })
}

async fn make_keys(
    context: &Context,
    key: &TenantKey,
    tenant: &Tenant,
    access: Access,
    now: Timestamp,
) -> Result<Arc<Keys>, Error> {
    let planes = &context.manager.clients.planes;
    Ok(context.keyring.keys(planes, key, tenant, access, now).await?)
}

fn versions_now(
    context: &Context,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
    now: Timestamp,
) -> Versions {
    let gate = upgrade::gate(tenant, &observed.workloads, &observed.jobs, now);
    if let (Some(from), Some(gate)) = (tenant.upgrading_from, gate)
        && !gate.is_open()
    {
        return Versions::held(from);
    }
    let written = context.planes.get(key).map(|plane| plane.tenant.version);
    Versions::next(tenant, &observed.workloads, written)
}

/// The upgrade is over when the content of the new version has been written too.
fn end_of_upgrade(
    context: &Context,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
) -> Tenant {
    let is_written = context.content.state(key) == ContentState::Applied
        && context.planes.get(key).is_some_and(|plane| plane.tenant.version == tenant.version);
    let done =
        is_written && Versions::next(tenant, &observed.workloads, None) == Versions::done(tenant);
    let upgrading_from = tenant.upgrading_from.filter(|_| !done);
    Tenant { upgrading_from, ..tenant.clone() }
}

/// Its Service is there: from what this pass records on, somebody may know it.
fn made_at(tenant: &Tenant, node_port: Option<u16>, now: Timestamp) -> Tenant {
    let mut tenant = with_node_port(tenant, node_port);
    let Some(endpoint) = tenant.exposure.endpoint() else { return tenant };
    let moves = &mut tenant.exposure.moves;
    moves.unmade = false;
    if let Some(former) = &mut moves.former {
        former.begin(&endpoint, now);
    }
    tenant
}

/// Notes that everything that nodes read has the endpoint to which the cluster has moved.
fn note_move(context: &Context, key: &TenantKey, mut tenant: Tenant, now: Timestamp) -> Tenant {
    let endpoint = tenant.endpoint();
    let is_written = endpoint.is_some()
        && context.content.state(key) == ContentState::Applied
        && context.planes.get(key).is_some_and(|plane| Some(&plane.endpoint) == endpoint.as_ref());
    if let Some(former) = tenant.exposure.moves.former.as_mut().filter(|_| is_written) {
        former.complete(now);
    }
    tenant
}
