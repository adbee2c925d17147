//! How the components and the outside find each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use nagaya_api::labels;

use super::{names, pod};
use crate::membership::EtcdShape;
use crate::moves::{Awaited, Moves, PublicService};
use crate::tenant::{BalancerRequest, Exposure, Tenant, Way};

/// `spec.ipFamilyPolicy` of a Service at nodes' addresses of IPv6.
pub const BOTH_FAMILIES: &str = "PreferDualStack";

/// Names for the members. A member needs the others' names before it is ready, so they are published
/// before that.
pub(super) fn build_etcd(tenant: &Tenant) -> Service {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(vec![
            port("client", names::ETCD_CLIENT_PORT),
            port("peer", names::ETCD_PEER_PORT),
        ]),
        ..ServiceSpec::default()
    };
    build(tenant, names::ETCD, names::ETCD, spec)
}

/// With one member there is nothing better to send a client to, and waiting for its probe would only delay
/// kube-apiserver; with several, also on the way to or from one, a member that is not ready gets no new clients.
pub(super) fn build_etcd_client(tenant: &Tenant, members: &EtcdShape) -> Service {
    let is_alone = tenant.etcd.replicas == 1 && members.replicas <= 1;
    let spec = ServiceSpec {
        publish_not_ready_addresses: Some(is_alone),
        ports: Some(vec![port("client", names::ETCD_CLIENT_PORT)]),
        ..ServiceSpec::default()
    };
    build(tenant, names::ETCD_CLIENT, names::ETCD, spec)
}

/// For the components beside it and for the manager, which fills the tenant cluster while the only kube-apiserver
/// still starts. Beside another one, one that starts or ends gets nobody.
pub(super) fn build_api_server(tenant: &Tenant) -> Service {
    let is_alone = tenant.api_server_replicas == 1 && tenant.upgrading_from.is_none();
    let spec = ServiceSpec {
        publish_not_ready_addresses: Some(is_alone),
        ports: Some(vec![port("https", names::API_SERVER_PORT)]),
        ..ServiceSpec::default()
    };
    build(tenant, names::API_SERVER, names::API_SERVER, spec)
}

/// The endpoint.
pub(super) fn build_api_server_public(tenant: &Tenant) -> Service {
    let exposure = &tenant.exposure;
    build_public(tenant, exposure.moves.service, &Public::of(exposure))
}

/// Of the endpoint of before, as it was, or of one that is awaited. `as_made`: for nothing is asked that was given since.
pub(super) fn build_api_server_other(tenant: &Tenant, as_made: bool) -> Option<Service> {
    let Moves { service, former, awaited, unmade: _ } = &tenant.exposure.moves;
    if let Some(Awaited { exposure, .. }) = awaited.as_deref() {
        return Some(build_public(tenant, service.other(), &Public::of(exposure)));
    }
    let former = former.as_ref()?;
    let (way, port) = match (as_made, &former.way) {
        (false, way) => (way.clone(), Some(former.port)),
        (true, Way::NodePort) => (Way::NodePort, None),
        (true, way) => (way.as_made(), Some(former.port)),
    };
    let public = Public { way: &way, port, addresses: &former.addresses };
    Some(build_public(tenant, former.service, &public))
}

/// An endpoint, as far as its Service depends on it.
struct Public<'e> {
    way: &'e Way,
    port: Option<u16>,
    addresses: &'e [IpAddr],
}

impl<'e> Public<'e> {
    fn of(exposure: &'e Exposure) -> Self {
        let Exposure { way, port, addresses, .. } = exposure;
        Self { way, port: *port, addresses }
    }
}

/// Only ready replicas, so that a new one gets no clients during a rollout.
fn build_public(tenant: &Tenant, service: PublicService, public: &Public<'_>) -> Service {
    let https = port("https", names::API_SERVER_PORT);
    let spec = match public.way {
        Way::NodePort => at_nodes(https, public),
        Way::External { node_port } => by_node_port(https, *node_port),
        Way::Gateway { .. } => typed("ClusterIP", https),
        Way::LoadBalancer(request) => by_load_balancer(https, public.port, request),
    };
    let mut service = build(tenant, service.name(), names::API_SERVER, spec);
    match public.way {
        Way::Gateway { hosts } => lead_gateway_to(&mut service, hosts),
        Way::LoadBalancer(BalancerRequest { annotations, .. }) if !annotations.is_empty() => {
            service.metadata.annotations = Some(annotations.clone());
        }
        Way::NodePort | Way::External { .. } | Way::LoadBalancer(_) => {}
    }
    service
}

/// A management cluster of both families serves a Service of its first one alone, unless it asks for both.
fn at_nodes(port: ServicePort, public: &Public<'_>) -> ServiceSpec {
    let is_asked = public.addresses.iter().any(IpAddr::is_ipv6);
    ServiceSpec {
        ip_family_policy: is_asked.then(|| BOTH_FAMILIES.to_owned()),
        ..by_node_port(port, public.port)
    }
}

fn typed(type_: &str, port: ServicePort) -> ServiceSpec {
    ServiceSpec { type_: Some(type_.to_owned()), ports: Some(vec![port]), ..ServiceSpec::default() }
}

fn by_node_port(port: ServicePort, node_port: Option<u16>) -> ServiceSpec {
    typed("NodePort", ServicePort { node_port: node_port.map(i32::from), ..port })
}

/// Which node port it goes through is between Kubernetes and the load balancer.
fn by_load_balancer(
    port: ServicePort,
    exposed: Option<u16>,
    request: &BalancerRequest,
) -> ServiceSpec {
    let BalancerRequest { class, address, family, annotations: _, source_ranges } = request;
    let ranges = Some(source_ranges.clone()).filter(|ranges| !ranges.is_empty());
    ServiceSpec {
        ip_families: family.map(|family| vec![family.name().to_owned()]),
        load_balancer_class: class.clone(),
        load_balancer_ip: address.map(|address| address.to_string()),
        load_balancer_source_ranges: ranges,
        ..typed("LoadBalancer", ServicePort { port: exposed.map_or(port.port, i32::from), ..port })
    }
}

/// Where the tunnel's agents find its servers. Only ready replicas, and no affinity: an agent asks again until it has met each.
pub(super) fn build_tunnel(tenant: &Tenant) -> Option<Service> {
    let host = tenant.tunnel_host()?;
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        ports: Some(vec![port("agents", names::TUNNEL_PORT)]),
        ..ServiceSpec::default()
    };
    let mut service = build(tenant, names::TUNNEL_SERVER, names::API_SERVER, spec);
    lead_gateway_to(&mut service, &[host]);
    Some(service)
}

/// By which the gateway finds it, and the names under which clients find it there.
fn lead_gateway_to(service: &mut Service, hosts: &[String]) {
    let enabled = (labels::GATEWAY.to_owned(), labels::GATEWAY_ENABLED.to_owned());
    service.metadata.labels.get_or_insert_default().extend([enabled]);
    let hosts = (labels::GATEWAY_HOSTS.to_owned(), hosts.join(","));
    service.metadata.annotations = Some(BTreeMap::from([hosts]));
}

fn build(tenant: &Tenant, name: &str, component: &str, spec: ServiceSpec) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(name)),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec { selector: Some(pod::selector(component)), ..spec }),
        ..Service::default()
    }
}

fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(i32::from(port))),
        ..ServicePort::default()
    }
}
