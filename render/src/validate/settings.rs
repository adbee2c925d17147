//! What the operator configured, checked when the manager starts.

use std::net::IpAddr;

use super::Refusal;
use super::exposure::{check_host, check_name, is_of_no_machine};
use crate::plane::names;
use crate::settings::{ForwarderSettings, GatewaySettings, Settings};

/// Refuses what would otherwise show only in every tenant, or be ignored.
///
/// # Errors
/// The first key that cannot be used, such as `resources.kube-apisever`.
pub fn check_settings(settings: &Settings) -> Result<(), Refusal> {
    if settings.manager_image.is_empty() {
        return Err(Refusal::new(
            "managerImage",
            "must be given: the image of this very manager, whose `wait` verb control planes use",
        ));
    }
    if let Some(host) = &settings.node_port_host {
        check_host("nodePortHost", host)?;
    }
    if let Some(domain) = &settings.domain {
        check_host("domain", domain)?;
    }
    check_gateway(&settings.gateway)?;
    if let Some(class) = &settings.storage_class {
        check_name("storageClass", class)?;
    }
    let components = [
        names::ETCD,
        names::API_SERVER,
        names::CONTROLLER_MANAGER,
        names::SCHEDULER,
        names::TUNNEL_SERVER,
    ];
    match settings.resources.keys().find(|key| !components.contains(&key.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(Refusal::new(
            format!("resources.{unknown}"),
            format!("there is no such component; the components are {}", components.join(", ")),
        )),
    }
}

fn check_gateway(gateway: &GatewaySettings) -> Result<(), Refusal> {
    let GatewaySettings { domain, port: _, addresses, forwarder } = gateway;
    check_forwarder(forwarder)?;
    if let Some(nobody) = addresses.iter().find(|address| is_of_no_machine(address)) {
        let message = format!("{nobody} is no address that machines could reach");
        return Err(Refusal::new("gateway.addresses", message));
    }
    let Some(domain) = domain else { return Ok(()) };
    check_host("gateway.domain", domain)?;
    if domain.parse::<IpAddr>().is_ok() {
        let message = format!("{domain} is an IP address, and names cannot be below it");
        return Err(Refusal::new("gateway.domain", message));
    }
    if addresses.is_empty() {
        return Err(Refusal::new(
            "gateway.addresses",
            "must be given with gateway.domain: the IP addresses at which machines reach the gateway",
        ));
    }
    Ok(())
}

/// Also that there are no two addresses of which one would never be used.
fn check_forwarder(forwarder: &ForwarderSettings) -> Result<(), Refusal> {
    const ADDRESSES: &str = "gateway.forwarder.addresses";
    let ForwarderSettings { image, addresses } = forwarder;
    if image.is_empty() {
        let message = "must not be empty; leave it out for the one that Nagaya builds";
        return Err(Refusal::new("gateway.forwarder.image", message));
    }
    if let Some(nobody) = addresses.iter().find(|address| is_no_endpoint(address)) {
        let message = format!("{nobody} cannot be an address of default/kubernetes");
        return Err(Refusal::new(ADDRESSES, message));
    }
    let of_v4 = addresses.iter().filter(|address| address.is_ipv4()).count();
    if of_v4 > 1 || addresses.len() - of_v4 > 1 {
        let message = "has two of one IP family; give one of each at most";
        return Err(Refusal::new(ADDRESSES, message));
    }
    Ok(())
}

/// `ValidateEndpointIP` of Kubernetes (`pkg/apis/core/validation/validation.go`).
fn is_no_endpoint(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_of_no_machine(address) || address.is_loopback() || is_link_local
}
