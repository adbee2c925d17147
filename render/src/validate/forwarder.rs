//! The address that pods behind the gateway reach their API server at.

use std::net::IpAddr;

use ipnet::IpNet;
use nagaya_api::{Management, TenantClusterSpec};

use super::Refusal;
use super::networks::Networks;
use crate::settings::Settings;
use crate::tenant::{Exposure, Forwarder, Way};

const ADDRESSES: &str = "gateway.forwarder.addresses";

pub(super) fn resolve(
    spec: &TenantClusterSpec,
    settings: &Settings,
    networks: &Networks,
    exposure: &Exposure,
) -> Result<Option<Forwarder>, Refusal> {
    let Way::Gateway { .. } = &exposure.way else { return Ok(None) };
    let address = of_the_family_of_services(&settings.gateway.forwarder.addresses, networks)?;
    let lists = [
        ("spec.networking.podCIDRs", &networks.pods),
        ("spec.networking.serviceCIDRs", &networks.services),
    ];
    for (field, nets) in lists {
        if let Some(index) = nets.iter().position(|net| net.contains(&address)) {
            let net = nets[index];
            return Err(Refusal::new(
                format!("{field}[{index}]"),
                format!(
                    "{net} contains {address}, where pods reach their API server through the gateway; set another \
                     address in {ADDRESSES} of the manager's configuration, or delete this object and create it with \
                     another network"
                ),
            ));
        }
    }
    let managed = spec.addons.forwarder.management == Management::Managed;
    Ok(Some(Forwarder { address, managed }))
}

/// `default/kubernetes` is of the family of the first Service network, and so has to be what it leads to.
fn of_the_family_of_services(addresses: &[IpAddr], networks: &Networks) -> Result<IpAddr, Refusal> {
    let family = networks.services.first().map(|net| matches!(net, IpNet::V4(_)));
    let address = addresses.iter().find(|address| Some(address.is_ipv4()) == family);
    address.copied().ok_or_else(|| {
        let name = if family == Some(true) { "IPv4" } else { "IPv6" };
        Refusal::new(
            "spec.networking.serviceCIDRs[0]",
            format!(
                "is of {name}, and {ADDRESSES} of the manager's configuration has no address of that family; set one"
            ),
        )
    })
}
