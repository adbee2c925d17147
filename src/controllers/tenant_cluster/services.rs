//! The Services, and the port of the endpoint, which Kubernetes chooses.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use nagaya_render::load_balancer::{BalancerView, asked_address, ending, is_held, is_made_anew};
use nagaya_render::membership::EtcdShape;
use nagaya_render::moves::Former;
use nagaya_render::plane::{Foundation, build_api_server_other_as_made, build_foundation, names};
use nagaya_render::tenant::{Exposure, Tenant, Way};

use super::Error;
use super::balancer::discard_in_the_way;
use super::bounded_client::{BoundedClient, apply_one, apply_or_remove};
use super::claims::refuse_anothers_port;
use crate::caches::TextStore;
use crate::controllers::Context;
use crate::kube_ops::{self, Applied};

/// What Kubernetes has chosen for them.
pub struct Services {
    /// Through which the endpoint is reached; `None` where none is chosen, or chosen for it.
    pub node_port: Option<u16>,
    /// Address of the internal Service of the API server.
    pub api_server: Option<IpAddr>,
    /// Why that could not be made whose address is awaited.
    pub awaited_failure: Option<Error>,
}

/// Makes them as rendered.
pub async fn apply_services(
    context: &Context,
    planes: &BoundedClient<'_>,
    tenant: &Tenant,
    members: &EtcdShape,
    foundation: &Foundation,
) -> Result<Services, Error> {
    let Foundation {
        namespace: _,
        role_binding: _,
        etcd,
        etcd_client,
        api_server,
        api_server_public,
        api_server_other,
        tunnel,
    } = foundation;
    let cache = &context.caches.services;
    refuse_one_that_goes(cache, tenant, api_server_public)?;
    if tenant.exposure.moves.unmade && discard_in_the_way(context, tenant).await? {
        let words = is_made_anew(&name_of(tenant, api_server_public));
        return Err(Error::ServiceHeld { words });
    }
    let Exposure { way, port, addresses, moves, .. } = &tenant.exposure;
    let api_server_public = &public_as_it_is(cache, tenant, members, api_server_public);
    let api_server_other = other_as_it_is(cache, tenant, api_server_other.as_ref());
    let live = |service: &Service| cache.get(&ObjectRef::from_obj(service));
    let other = tenant.exposure.moves.service.other().name();
    let namespace = &tenant.plane_namespace;
    let (etcd, etcd_client, api_server_now, public_now, other_now, tunnel) = tokio::join!(
        apply_one(planes, cache, etcd),
        apply_one(planes, cache, etcd_client),
        apply_one(planes, cache, api_server),
        apply_one(planes, cache, api_server_public),
        async {
            if moves.awaited.is_some() && discard_in_the_way(context, tenant).await? {
                return Ok(());
            }
            apply_or_remove(planes, cache, namespace, other, api_server_other.as_ref()).await?;
            let awaited = api_server_other.as_ref().filter(|_| moves.awaited.is_some());
            refuse_anothers_port(context, tenant, awaited.and_then(live).as_ref()).await
        },
        apply_or_remove(planes, cache, namespace, names::TUNNEL_SERVER, tunnel.as_ref()),
    );
    // One that moves goes on as it is without.
    let awaited_failure = match moves.awaited {
        Some(_) => other_now.err(),
        None => other_now.map(|()| None)?,
    };
    etcd?;
    etcd_client?;
    tunnel?;
    let api_server = match api_server_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server),
    };
    let public = match public_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server_public),
    };
    let is_new = match way {
        Way::NodePort | Way::External { .. } => way.node_port(*port).is_none(),
        Way::LoadBalancer(_) => addresses.is_empty(),
        Way::Gateway { .. } => false,
    };
    refuse_anothers_port(context, tenant, public.as_ref().filter(|_| is_new)).await?;
    Ok(Services {
        node_port: public.as_ref().and_then(node_port).or(way.node_port(*port)),
        api_server: api_server.as_ref().and_then(cluster_ip),
        awaited_failure,
    })
}

/// The endpoint's Service as rendered, given the one that is there.
fn public_as_it_is(
    cache: &TextStore<Service>,
    tenant: &Tenant,
    members: &EtcdShape,
    rendered: &Service,
) -> Service {
    let as_made = build_foundation(&asking_for_nothing(tenant), members).api_server_public;
    let Exposure { way, port, addresses, .. } = &tenant.exposure;
    let keeps = keeps_what_it_has(cache, &as_made, way, (*port, addresses));
    keeping_families(cache, if keeps { &as_made } else { rendered })
}

/// The same of the one beside it: of the former endpoint, or of one that is awaited.
fn other_as_it_is(
    cache: &TextStore<Service>,
    tenant: &Tenant,
    rendered: Option<&Service>,
) -> Option<Service> {
    let as_made = build_api_server_other_as_made(tenant);
    let keeps = |made: &&Service| {
        let former = tenant.exposure.moves.former.as_ref();
        former.is_some_and(|Former { way, port, addresses, .. }| {
            keeps_what_it_has(cache, made, way, (Some(*port), addresses))
        })
    };
    let wanted = as_made.as_ref().filter(keeps).or(rendered);
    wanted.map(|service| keeping_families(cache, service))
}

/// What Kubernetes chooses for a Service that goes, it gives to others once that is gone.
fn refuse_one_that_goes(
    cache: &TextStore<Service>,
    tenant: &Tenant,
    public: &Service,
) -> Result<(), Error> {
    let live = cache.get(&ObjectRef::from_obj(public));
    let finalizers = live.as_ref().filter(|_| tenant.exposure.moves.unmade).and_then(ending);
    let Some(finalizers) = finalizers else { return Ok(()) };
    Err(Error::ServiceHeld { words: is_held(&name_of(tenant, public), &finalizers) })
}

fn name_of(tenant: &Tenant, service: &Service) -> String {
    format!("the Service {}/{}", tenant.plane_namespace, service.name_any())
}

/// The tenant with the node port that Kubernetes has chosen, where it is reached through one. (Behind the gateway a cache
/// that lags may show that of before; that of a load balancer is nobody's business.)
pub fn with_node_port(tenant: &Tenant, chosen: Option<u16>) -> Tenant {
    let mut tenant = tenant.clone();
    match &mut tenant.exposure.way {
        Way::NodePort => tenant.exposure.port = chosen,
        Way::External { node_port } => *node_port = chosen,
        Way::Gateway { .. } | Way::LoadBalancer(_) => {}
    }
    tenant
}

/// As it was before anybody knew what would be chosen for it.
fn asking_for_nothing(tenant: &Tenant) -> Tenant {
    let mut tenant = with_node_port(tenant, None);
    if let Way::LoadBalancer(request) = &mut tenant.exposure.way {
        request.address = asked_address(&tenant.spec.expose);
    }
    tenant
}

/// Whether the Service is as it was made, before anybody knew which node port Kubernetes or which address a load balancer
/// gives it, and has the one that is recorded. That is asked for only where it would get another one.
fn keeps_what_it_has(
    cache: &TextStore<Service>,
    as_made: &Service,
    way: &Way,
    (port, addresses): (Option<u16>, &[IpAddr]),
) -> bool {
    let Some(live) = cache.get(&ObjectRef::from_obj(as_made)) else { return false };
    let has = match (way, addresses.first()) {
        (Way::NodePort | Way::External { .. }, _) => node_port(&live) == way.node_port(port),
        // Whatever else changes: one that runs is never asked for what it has.
        (Way::LoadBalancer(_), Some(given)) => {
            let asks = live.spec.as_ref().is_some_and(|spec| spec.load_balancer_ip.is_some());
            return BalancerView::of(&live).has(given) && !asks;
        }
        (Way::LoadBalancer(_), None) | (Way::Gateway { .. }, _) => false,
    };
    has && kube_ops::is_there(&live, as_made)
}

/// The Service without families that differ from those of the one that is there: the API server lets nobody change the first, nor
/// take the second away, and leaves them as they are where none are named (`initIPFamilyFields`).
fn keeping_families(cache: &TextStore<Service>, service: &Service) -> Service {
    let families = |of: &Service| of.spec.as_ref().and_then(|spec| spec.ip_families.clone());
    let mut kept = service.clone();
    if let (Some(live), Some(spec)) = (cache.get(&ObjectRef::from_obj(service)), &mut kept.spec) {
        spec.ip_families =
            spec.ip_families.take().filter(|own| families(&live).as_ref() == Some(own));
    }
    kept
}

/// The port of the nodes that Kubernetes has given it, where it has one.
pub fn node_port(service: &Service) -> Option<u16> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.node_port?;
    u16::try_from(port).ok()
}

/// The address of a Service.
pub fn cluster_ip(service: &Service) -> Option<IpAddr> {
    service.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok()
}
