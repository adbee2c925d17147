//! The Services, and the port of the endpoint, which Kubernetes chooses.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use kube::runtime::reflector::ObjectRef;
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{Foundation, build_api_server_former_as_made, build_foundation, names};
use nagaya_render::tenant::{Tenant, Way};

use super::Error;
use super::apply::with_port;
use super::bounded_client::{BoundedClient, apply_one, apply_or_remove};
use crate::caches::TextStore;
use crate::controllers::Context;
use crate::kube_ops::{self, Applied};

/// What Kubernetes has chosen for them.
pub struct Services {
    /// Of the endpoint.
    pub port: Option<u16>,
    /// Address of the internal Service of the API server.
    pub api_server: Option<IpAddr>,
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
        api_server_former,
        tunnel,
    } = foundation;
    let cache = &context.caches.services;
    let as_made = build_foundation(&with_port(tenant, None), members).api_server_public;
    let api_server_public = if keeps_port(cache, &as_made, tenant.exposure.port) {
        &as_made
    } else {
        api_server_public
    };
    let former_as_made = build_api_server_former_as_made(tenant);
    let former = tenant.exposure.moves.former.as_ref();
    let keeps = |made: &&Service| keeps_port(cache, made, former.map(|former| former.port));
    let api_server_former = former_as_made.as_ref().filter(keeps).or(api_server_former.as_ref());
    let other = tenant.exposure.moves.service.other().name();
    let namespace = &tenant.plane_namespace;
    let (etcd, etcd_client, api_server_now, public_now, former_now, tunnel) = tokio::join!(
        apply_one(planes, cache, etcd),
        apply_one(planes, cache, etcd_client),
        apply_one(planes, cache, api_server),
        apply_one(planes, cache, api_server_public),
        apply_or_remove(planes, cache, namespace, other, api_server_former),
        apply_or_remove(planes, cache, namespace, names::TUNNEL_SERVER, tunnel.as_ref()),
    );
    former_now?;
    etcd?;
    etcd_client?;
    tunnel?;
    let live = |service: &Service| cache.get(&ObjectRef::from_obj(service));
    let api_server = match api_server_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server),
    };
    let public = match public_now? {
        Applied::Written(service) => Some(service),
        Applied::Unchanged => live(api_server_public),
    };
    let chosen = match tenant.exposure.way {
        Way::NodePort => public.as_ref().and_then(node_port),
        // A cache that lags may show the node port of before.
        Way::Gateway { .. } => None,
    };
    Ok(Services {
        port: chosen.or(tenant.exposure.port),
        api_server: api_server.as_ref().and_then(cluster_ip),
    })
}

/// Whether the Service is as it was made, before anybody knew which node port Kubernetes gives it, and has the one that
/// is recorded. It is asked for by number only where it would get another one. (Behind the gateway there is none to ask for.)
fn keeps_port(cache: &TextStore<Service>, as_made: &Service, recorded: Option<u16>) -> bool {
    let live = cache.get(&ObjectRef::from_obj(as_made));
    live.is_some_and(|live| node_port(&live) == recorded && kube_ops::is_there(&live, as_made))
}

fn node_port(service: &Service) -> Option<u16> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.node_port?;
    u16::try_from(port).ok()
}

/// The address of a Service.
pub fn cluster_ip(service: &Service) -> Option<IpAddr> {
    service.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok()
}
