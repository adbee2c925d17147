//! A load balancer that the operator runs himself, in front of a node port.

use std::net::IpAddr;

use ipnet::IpNet;
use nagaya_api::{Expose, ExternalExpose, TenantCluster};

use super::super::Refusal;
use super::super::networks::Networks;
use super::{HOSTNAME, Recorded, check_host, ip_address, is_fixed, port_number};
use crate::moves::Moves;
use crate::tenant::{Exposure, Way};

const EXTERNAL: &str = "spec.expose.external";
pub(super) const HOST: &str = "spec.expose.external.host";
pub(super) const PORT: &str = "spec.expose.external.port";
const ADDRESSES: &str = "spec.expose.external.addresses";

pub(super) fn resolve(raw: &TenantCluster, recorded: &Recorded<'_>) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    let Some(external) = &expose.external else {
        return Err(Refusal::new(
            EXTERNAL,
            "nobody knows where your load balancer is; set its host, port and addresses here",
        ));
    };
    refuse_hostname(expose)?;
    check_host(HOST, &external.host)?;
    let port = port_number(PORT, external.port)?;
    if recorded.born {
        keep(external, port, recorded)?;
    }
    Ok(Exposure {
        host: Some(external.host.clone()),
        addresses: addresses(external)?,
        port: Some(port),
        way: Way::External { node_port: recorded.node_port },
        extra_names: expose.extra_names.clone(),
        moves: Moves::default(),
    })
}

fn refuse_hostname(expose: &Expose) -> Result<(), Refusal> {
    if expose.hostname.is_none() {
        return Ok(());
    }
    Err(Refusal::new(HOSTNAME, format!("{HOST} is the endpoint's; remove it, or set it there")))
}

fn keep(external: &ExternalExpose, port: u16, recorded: &Recorded<'_>) -> Result<(), Refusal> {
    match (recorded.host, recorded.port) {
        (Some(host), _) if host != external.host => {
            Err(is_fixed(HOST, "host", host, &external.host))
        }
        (_, Some(made)) if made != port => {
            Err(is_fixed(PORT, "port", &made.to_string(), &port.to_string()))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_outside(networks: &Networks, addresses: &[IpAddr]) -> Result<(), Refusal> {
    let mut all = networks.pods.iter().chain(&networks.services);
    let inside = |net: &IpNet| addresses.iter().position(|address| net.contains(address));
    match all.find_map(|net| Some((net, inside(net)?))) {
        None => Ok(()),
        Some((net, index)) => Err(Refusal::new(
            format!("{ADDRESSES}[{index}]"),
            format!(
                "{} is in {net} of spec.networking, where nobody outside the cluster is; name another",
                addresses[index]
            ),
        )),
    }
}

fn addresses(external: &ExternalExpose) -> Result<Vec<IpAddr>, Refusal> {
    let ExternalExpose { host, port: _, addresses } = external;
    match (host.parse::<IpAddr>(), addresses.as_slice()) {
        (Ok(address), []) => Ok(vec![address]),
        (Ok(_), _) => Err(Refusal::new(
            ADDRESSES,
            format!("{host} is an address already, the only one that is used; remove them"),
        )),
        (Err(_), []) => Err(Refusal::new(
            ADDRESSES,
            format!(
                "pods of the tenant reach the API by address: set the IP addresses behind {host}"
            ),
        )),
        (Err(_), all) => {
            let field = |index| format!("{ADDRESSES}[{index}]");
            let each = all.iter().enumerate();
            each.map(|(index, address)| ip_address(&field(index), address)).collect()
        }
    }
}
