//! What stands behind the Service default/kubernetes. The API server makes that Service itself, and would
//! write its own pod address here, which no node can reach: its reconciler is off
//! (`--endpoint-reconciler-type=none`) and these take its place, in the form that it writes
//! (`pkg/controlplane/reconcilers/endpointsadapter.go`). Behind the gateway that is the forwarder of the pod's own node.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use k8s_openapi::api::discovery::v1 as slices;

use super::forwarder;
use super::manifest::labelled_meta;
use super::objects::ApiEndpoints;
use crate::tenant::{Endpoint, Exposure, Tenant, Way};

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";
const PORT_NAME: &str = "https";
const PROTOCOL: &str = "TCP";

pub(super) fn build_api_endpoints(tenant: &Tenant, endpoint: &Endpoint) -> ApiEndpoints {
    let (addresses, port) = leading(tenant, endpoint);
    let port = i32::from(port);
    ApiEndpoints {
        endpoints: build_endpoints(&addresses, port),
        endpoint_slice: build_endpoint_slice(&addresses, port),
    }
}

/// The gateway leads nowhere who asks by an address. As long as a former endpoint is served that does, pods have that one,
/// and the forwarder comes to their nodes meanwhile.
fn leading(tenant: &Tenant, endpoint: &Endpoint) -> (Vec<IpAddr>, u16) {
    let Exposure { addresses, way, moves, .. } = &tenant.exposure;
    let wants_a_name = |way: &Way| matches!(way, Way::Gateway { .. });
    match (&moves.former, tenant.forwarder) {
        (Some(former), _) if wants_a_name(way) && !wants_a_name(&former.way) => {
            (of_one_family(tenant, &former.addresses), former.port)
        }
        (_, Some(forwarder)) => (vec![forwarder.address], forwarder::PORT),
        (_, None) => (of_one_family(tenant, addresses), endpoint.port),
    }
}

/// Addresses of the family that default/kubernetes has, which is that of the first Service network; if
/// there is none, the others are still better than nothing.
fn of_one_family(tenant: &Tenant, all: &[IpAddr]) -> Vec<IpAddr> {
    let wanted = tenant.service_cidrs.first().map(|net| net.addr().is_ipv4());
    let family = all
        .iter()
        .map(IpAddr::is_ipv4)
        .find(|family| Some(*family) == wanted)
        .or_else(|| all.first().map(IpAddr::is_ipv4));
    all.iter().filter(|address| Some(address.is_ipv4()) == family).copied().collect()
}

fn build_endpoints(addresses: &[IpAddr], port: i32) -> Endpoints {
    Endpoints {
        // Without the label, the mirroring controller would add a second EndpointSlice.
        metadata: labelled_meta(NAMESPACE, NAME, "endpointslice.kubernetes.io/skip-mirror", "true"),
        subsets: Some(vec![EndpointSubset {
            addresses: Some(
                addresses
                    .iter()
                    .map(|ip| EndpointAddress { ip: ip.to_string(), ..EndpointAddress::default() })
                    .collect(),
            ),
            ports: Some(vec![EndpointPort {
                name: Some(PORT_NAME.to_owned()),
                port,
                protocol: Some(PROTOCOL.to_owned()),
                ..EndpointPort::default()
            }]),
            not_ready_addresses: None,
        }]),
    }
}

fn build_endpoint_slice(addresses: &[IpAddr], port: i32) -> slices::EndpointSlice {
    let address_type = if addresses.iter().all(IpAddr::is_ipv4) { "IPv4" } else { "IPv6" };
    slices::EndpointSlice {
        metadata: labelled_meta(NAMESPACE, NAME, "kubernetes.io/service-name", NAME),
        address_type: address_type.to_owned(),
        endpoints: addresses
            .iter()
            .map(|ip| slices::Endpoint {
                addresses: vec![ip.to_string()],
                conditions: Some(slices::EndpointConditions {
                    ready: Some(true),
                    ..slices::EndpointConditions::default()
                }),
                ..slices::Endpoint::default()
            })
            .collect(),
        ports: Some(vec![slices::EndpointPort {
            name: Some(PORT_NAME.to_owned()),
            port: Some(port),
            protocol: Some(PROTOCOL.to_owned()),
            ..slices::EndpointPort::default()
        }]),
    }
}
