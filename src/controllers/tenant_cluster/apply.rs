//! The apply step: makes the management side as rendered. Order matters only where a comment says so.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::join;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::certificates::{AdminKubeconfig, admin_secret_name, plan_admin_kubeconfig};
use nagaya_render::plane::{
    Foundation, PlaneObjects, build_etcd_state, build_foundation, build_plane, names,
};
use nagaya_render::rolling::TemplateState;
use nagaya_render::rollout::Rollout;
use nagaya_render::status::ContentState;
use nagaya_render::tenant::{Endpoint, Tenant};
use nagaya_render::workloads::Workload;
use serde_json::json;

use super::observe::Observed;
use super::rights::{apply_rights, permitted};
use super::rolls::take_turn;
use super::{Error, FINALIZER};
use crate::controllers::Context;
use crate::keyring::{Access, Keys};
use crate::kube_ops::{self, Applied, Object, apply as apply_object, finalizer};
use crate::tenant::TenantKey;

/// How far the management side is after the step.
pub struct Progress {
    /// The tenant, with the port that Kubernetes has chosen.
    pub tenant: Tenant,
    /// Which version each part of it is to run now.
    pub rollout: Rollout,
    /// Where nodes reach the API server; `None` until its Service exists.
    pub endpoint: Option<Endpoint>,
    /// Address of the internal Service of the API server.
    pub api_server: Option<IpAddr>,
    /// Keys and certificates.
    pub keys: Arc<Keys>,
    /// Why the administrator's kubeconfig could not be handed out. The control plane works without.
    pub kubeconfig_failure: Option<Error>,
}

/// Makes everything as rendered.
pub async fn apply(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    tenant: &Tenant,
    observed: &Observed,
    now: Timestamp,
) -> Result<Progress, Error> {
    let projects = Api::namespaced(context.manager.clients.projects.clone(), &key.namespace);
    finalizer::hold(&projects, raw, FINALIZER).await?;
    let tenant = &end_of_upgrade(context, key, tenant, observed);
    let rollout = next_step(context, key, tenant, observed);
    let tenant = &take_turn(context, raw, key, tenant, &rollout, observed, now);
    let foundation = build_foundation(tenant);
    let born = observed.born() || note_birth(context, observed).await?;
    let namespace = apply_namespace(context, &foundation.namespace, None).await?;
    let new_rights =
        apply_rights(context, tenant, &foundation.role_binding, observed.project_enabled).await?;
    let (services, keys) = join(
        permitted(new_rights, || apply_services(context, tenant, &foundation)),
        permitted(new_rights, || async {
            let planes = &context.manager.clients.planes;
            Ok(context.keyring.keys(planes, key, tenant, Access::Write { born }, now).await?)
        }),
    )
    .await;
    let (services, keys) = (services?, keys?);
    let tenant = with_port(tenant, services.node_port);
    let record = build_foundation(&tenant).namespace;
    let (recorded, plane) = join(
        apply_namespace(context, &record, namespace),
        Box::pin(apply_plane(context, &tenant, &rollout, observed, born)),
    )
    .await;
    let endpoint = tenant.endpoint();
    let kubeconfig_failure = match &endpoint {
        Some(endpoint) if observed.project_enabled => {
            hand_out_kubeconfig(context, &tenant, endpoint, &keys, now).await.err()
        }
        _ => None,
    };
    recorded?;
    plane?;
    let api_server = services.api_server;
    Ok(Progress { tenant, rollout, endpoint, api_server, keys, kubeconfig_failure })
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
        tenant: tenant.clone(),
        rollout: next_step(context, key, tenant, observed),
        endpoint: tenant.endpoint(),
        api_server: internal.as_deref().and_then(cluster_ip),
        keys,
        kubeconfig_failure: None,
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
    let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
    let patch = json!({"metadata": {
        "uid": live.uid(), "resourceVersion": live.resource_version(),
        "annotations": {labels::BORN: "true"},
    }});
    let params =
        PatchParams { field_manager: Some("nagaya-record".to_owned()), ..PatchParams::default() };
    all.patch_metadata(&plane.namespace, &params, &Patch::Merge(patch)).await.map_err(
        |source| kube_ops::Error::of_object("record the birth on", live.as_ref(), source),
    )?;
    Ok(true)
}

/// Returns what was written; `newer` is what this pass has written before, which a cache may not have yet.
async fn apply_namespace(
    context: &Context,
    namespace: &Namespace,
    newer: Option<Namespace>,
) -> Result<Option<Namespace>, Error> {
    let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
    let cached = || context.caches.planes.get(&ObjectRef::new(&namespace.name_any()));
    let live = newer.or_else(|| cached().map(|live| live.as_ref().clone()));
    // A plane that lost the label by which we find ours must not be taken for a new one.
    match kube_ops::apply_in_project(&all, live.as_ref(), namespace).await? {
        Applied::Written(written) => Ok(Some(written)),
        Applied::Unchanged => Ok(None),
    }
}

struct Services {
    node_port: Option<u16>,
    api_server: Option<IpAddr>,
}

async fn apply_services(
    context: &Context,
    tenant: &Tenant,
    foundation: &Foundation,
) -> Result<Services, Error> {
    let Foundation {
        namespace: _,
        role_binding: _,
        etcd,
        etcd_client,
        api_server,
        api_server_public,
    } = foundation;
    let client = &context.manager.clients.planes;
    let cache = &context.caches.services;
    let (etcd, etcd_client, api_server_now, public_now) = tokio::join!(
        apply_one(client, cache, etcd),
        apply_one(client, cache, etcd_client),
        apply_one(client, cache, api_server),
        apply_one(client, cache, api_server_public),
    );
    etcd?;
    etcd_client?;
    let live = |service: &Service| {
        cache.get(&ObjectRef::from_obj(service)).map(|live| live.as_ref().clone())
    };
    let api_server = match api_server_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server),
    };
    let public = match public_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server_public),
    };
    Ok(Services {
        node_port: public.as_ref().and_then(node_port).or(tenant.exposure.node_port),
        api_server: api_server.as_ref().and_then(cluster_ip),
    })
}

fn next_step(context: &Context, key: &TenantKey, tenant: &Tenant, observed: &Observed) -> Rollout {
    let written = context.planes.get(key).map(|plane| plane.tenant.version);
    Rollout::next(tenant, &observed.workloads, written)
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
        is_written && Rollout::next(tenant, &observed.workloads, None) == Rollout::done(tenant);
    let upgrading_from = tenant.upgrading_from.filter(|_| !done);
    Tenant { upgrading_from, ..tenant.clone() }
}

async fn apply_plane(
    context: &Context,
    tenant: &Tenant,
    rollout: &Rollout,
    observed: &Observed,
    born: bool,
) -> Result<(), Error> {
    let PlaneObjects {
        etcd,
        api_server_authentication,
        api_server,
        controller_manager,
        scheduler,
        etcd_budget,
        api_server_budget,
    } = build_plane(tenant, rollout, context.settings());
    let etcd_state: ConfigMap = build_etcd_state(tenant, born);
    let client = &context.manager.clients.planes;
    let caches = &context.caches;
    let live = &observed.workloads;
    let waits = matches!(tenant.templates.state, TemplateState::Waiting(_));
    // One that somebody has scaled is put right at once.
    let keeps = |live: &Option<Workload>, replicas: Option<i32>| {
        waits && live.as_ref().is_some_and(|live| Some(live.desired) == replicas)
    };
    let stateful = |set: &StatefulSet| set.spec.as_ref().and_then(|spec| spec.replicas);
    // All at once: kubelet waits for what a pod mounts, and every pod waits for what it talks to.
    let namespace = &tenant.plane_namespace;
    let (state, authentication, etcd, api_server, controller_manager, scheduler, budgets) = tokio::join!(
        apply_one(client, &caches.config_maps, &etcd_state),
        apply_one(client, &caches.config_maps, &api_server_authentication),
        apply_workload(client, &caches.stateful_sets, &etcd, keeps(&live.etcd, stateful(&etcd))),
        apply_workload(
            client,
            &caches.deployments,
            &api_server,
            keeps(&live.api_server, api_server.spec.as_ref().and_then(|spec| spec.replicas)),
        ),
        apply_workload(
            client,
            &caches.stateful_sets,
            &controller_manager,
            keeps(&live.controller_manager, stateful(&controller_manager)),
        ),
        apply_workload(
            client,
            &caches.stateful_sets,
            &scheduler,
            keeps(&live.scheduler, stateful(&scheduler)),
        ),
        join(
            apply_or_remove(client, &caches.budgets, namespace, names::ETCD, etcd_budget.as_ref()),
            apply_or_remove(
                client,
                &caches.budgets,
                namespace,
                names::API_SERVER,
                api_server_budget.as_ref(),
            ),
        ),
    );
    state?;
    authentication?;
    etcd?;
    api_server?;
    controller_manager?;
    scheduler?;
    budgets.0?;
    budgets.1
}

async fn hand_out_kubeconfig(
    context: &Context,
    tenant: &Tenant,
    endpoint: &Endpoint,
    keys: &Keys,
    now: Timestamp,
) -> Result<(), Error> {
    let clients = &context.manager.clients;
    let secrets = Api::<Secret>::namespaced(clients.projects.clone(), &tenant.namespace);
    let name = admin_secret_name(tenant);
    let live = kube_ops::get(&secrets, &name).await?;
    match plan_admin_kubeconfig(tenant, endpoint, &keys.authorities, live.as_ref(), now)? {
        AdminKubeconfig::Current { .. } => Ok(()),
        AdminKubeconfig::Foreign => {
            Err(Error::KubeconfigForeign { namespace: tenant.namespace.clone(), name })
        }
        AdminKubeconfig::Write(secret) => {
            kube_ops::apply_in_project(&secrets, live.as_ref(), secret.as_ref()).await?;
            Ok(())
        }
    }
}

pub async fn apply_one<K>(
    client: &Client,
    cache: &Store<K>,
    desired: &K,
) -> Result<Applied<K>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    let namespace = desired.namespace().unwrap_or_default();
    let all = Api::<K>::namespaced(client.clone(), &namespace);
    let live = cache.get(&ObjectRef::from_obj(desired));
    Ok(apply_object(&all, live.as_deref(), desired).await?)
}

/// `keeps`: it stays as it is until it is its turn.
async fn apply_workload<K>(
    client: &Client,
    cache: &Store<K>,
    desired: &K,
    keeps: bool,
) -> Result<Applied<K>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    if keeps { Ok(Applied::Unchanged) } else { apply_one(client, cache, desired).await }
}

/// For what only some tenants have.
async fn apply_or_remove<K>(
    client: &Client,
    cache: &Store<K>,
    namespace: &str,
    name: &str,
    desired: Option<&K>,
) -> Result<(), Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    if let Some(desired) = desired {
        apply_one(client, cache, desired).await?;
        return Ok(());
    }
    match cache.get(&ObjectRef::new(name).within(namespace)) {
        None => Ok(()),
        Some(live) => {
            let all = Api::<K>::namespaced(client.clone(), namespace);
            Ok(kube_ops::delete(&all, live.as_ref()).await?)
        }
    }
}

fn with_port(tenant: &Tenant, node_port: Option<u16>) -> Tenant {
    let mut tenant = tenant.clone();
    tenant.exposure.node_port = node_port;
    tenant
}

fn node_port(service: &Service) -> Option<u16> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.node_port?;
    u16::try_from(port).ok()
}

fn cluster_ip(service: &Service) -> Option<IpAddr> {
    service.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok()
}
