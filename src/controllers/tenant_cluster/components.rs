//! The components: makes those of a control plane as rendered, or leaves them as they are until it is their turn.

use futures::future::join;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{PlaneObjects, build_etcd_state, names};
use nagaya_render::restart_order::{Held, held};
use nagaya_render::tenant::Tenant;
use nagaya_render::turns::TemplateState;
use nagaya_render::workloads::Workload;

use super::Error;
use super::bounded_client::{BoundedClient, apply_one, apply_or_remove};
use super::meltdown;
use super::observe::Observed;
use crate::caches::TextStore;
use crate::controllers::Context;
use crate::kube_ops::{Applied, Object};

/// Makes `plane`. `stopped`: none of it runs, since etcd is being filled with a snapshot.
pub async fn apply_components(
    context: &Context,
    client: &BoundedClient<'_>,
    tenant: &Tenant,
    plane: PlaneObjects,
    members: &EtcdShape,
    observed: &Observed,
    (born, stopped): (bool, bool),
) -> Result<(), Error> {
    let held = held(&observed.workloads, &plane);
    let plane = if stopped { plane.stopped() } else { plane };
    let [keeps_etcd, keeps_api_server, keeps_controller_manager, keeps_scheduler] =
        kept(tenant, observed, held, &plane);
    let PlaneObjects {
        etcd,
        api_server_authentication,
        api_server,
        controller_manager,
        scheduler,
        etcd_budget,
        api_server_budget,
    } = plane;
    let etcd_state: ConfigMap = build_etcd_state(tenant, born, members);
    let caches = &context.caches;
    // A member that joins has to find itself there.
    apply_one(client, &caches.config_maps, &etcd_state).await?;
    // New ones all at once: kubelet waits for what a pod mounts, and every pod waits for what it talks to.
    let sets = &caches.stateful_sets;
    let (authentication, etcd, api_server, controller_manager, scheduler, budgets) = tokio::join!(
        apply_one(client, &caches.config_maps, &api_server_authentication),
        apply_workload(client, sets, &etcd, keeps_etcd),
        apply_workload(client, &caches.deployments, &api_server, keeps_api_server),
        apply_workload(client, sets, &controller_manager, keeps_controller_manager),
        apply_workload(client, sets, &scheduler, keeps_scheduler),
        apply_budgets(context, client, tenant, etcd_budget.as_ref(), api_server_budget.as_ref()),
    );
    authentication?;
    etcd?;
    api_server?;
    controller_manager?;
    scheduler?;
    budgets
}

/// Of etcd, kube-apiserver, kube-controller-manager and kube-scheduler: whether it stays as it is until it is its turn.
fn kept(tenant: &Tenant, observed: &Observed, held: Held, wanted: &PlaneObjects) -> [bool; 4] {
    let waits = matches!(tenant.templates.state, TemplateState::Waiting(_));
    // One that somebody has scaled is put right at once.
    let keeps = |held: bool, live: &Option<Workload>, replicas: Option<i32>| {
        (waits || held) && live.as_ref().is_some_and(|live| Some(live.desired) == replicas)
    };
    let stateful = |set: &StatefulSet| set.spec.as_ref().and_then(|spec| spec.replicas);
    let PlaneObjects { etcd, api_server, controller_manager, scheduler, .. } = wanted;
    let api_servers = api_server.spec.as_ref().and_then(|spec| spec.replicas);
    let live = &observed.workloads;
    [
        keeps(false, &live.etcd, stateful(etcd)),
        keeps(held.api_server, &live.api_server, api_servers),
        keeps(held.controller_manager, &live.controller_manager, stateful(controller_manager))
            && !meltdown::is_urgent(tenant, observed),
        keeps(held.scheduler, &live.scheduler, stateful(scheduler)),
    ]
}

async fn apply_budgets(
    context: &Context,
    client: &BoundedClient<'_>,
    tenant: &Tenant,
    etcd: Option<&PodDisruptionBudget>,
    api_server: Option<&PodDisruptionBudget>,
) -> Result<(), Error> {
    let (cache, namespace) = (&context.caches.budgets, &tenant.plane_namespace);
    let (etcd, api_server) = join(
        apply_or_remove(client, cache, namespace, names::ETCD, etcd),
        apply_or_remove(client, cache, namespace, names::API_SERVER, api_server),
    )
    .await;
    etcd?;
    api_server
}

/// `keeps`: it stays as it is until it is its turn.
async fn apply_workload<K>(
    client: &BoundedClient<'_>,
    cache: &TextStore<K>,
    desired: &K,
    keeps: bool,
) -> Result<Applied<K>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    if keeps { Ok(Applied::Unchanged) } else { apply_one(client, cache, desired).await }
}
