//! Where the API server is reached: decided at birth, then recorded, because kubelets have it baked in. How a running
//! cluster gets another endpoint is in `exposure/moves.rs`.

mod external;
mod gateway;
mod load_balancer;
mod moves;
mod node_port;
mod shared;

use std::net::IpAddr;

use nagaya_api::{Expose, ExposeType, TenantCluster};

use super::Refusal;
use super::networks::Networks;
use crate::load_balancer::Class;
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::{Exposure, Way};

pub use shared::{Sought, refuse_shared};

const TYPE: &str = "spec.expose.type";
const HOSTNAME: &str = "spec.expose.hostname";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: Option<&PlaneRecord>,
) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    refuse_other_members(expose)?;
    for (index, name) in expose.extra_names.iter().enumerate() {
        check_name(&extra_name(index), name)?;
    }
    match record {
        None => of_type(raw, settings, &Recorded::default()),
        Some(record) => moves::resolve(raw, settings, record),
    }
}

fn of_type(
    raw: &TenantCluster,
    settings: &Settings,
    recorded: &Recorded<'_>,
) -> Result<Exposure, Refusal> {
    match raw.spec.expose.type_ {
        ExposeType::NodePort => node_port::resolve(raw, settings, recorded),
        ExposeType::Gateway => gateway::resolve(raw, settings, recorded),
        ExposeType::LoadBalancer => load_balancer::resolve(raw, recorded),
        ExposeType::External => external::resolve(raw, recorded),
    }
}

/// A union has the members of its type alone.
fn refuse_other_members(expose: &Expose) -> Result<(), Refusal> {
    let members = [
        ("nodePort", ExposeType::NodePort, expose.node_port.is_some()),
        ("loadBalancer", ExposeType::LoadBalancer, expose.load_balancer.is_some()),
        ("external", ExposeType::External, expose.external.is_some()),
    ];
    let other = members.into_iter().find(|(_, of, is_set)| *is_set && *of != expose.type_);
    let Some((member, of, _)) = other else { return Ok(()) };
    Err(Refusal::new(
        format!("spec.expose.{member}"),
        format!("belongs to type {of:?}; remove it, or set spec.expose.type to {of:?}"),
    ))
}

/// What is known of the endpoint already.
#[derive(Default)]
struct Recorded<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    /// Given by a load balancer.
    address: Option<IpAddr>,
    /// Behind the operator's own load balancer.
    node_port: Option<u16>,
    /// Kubelets may have it in their kubeconfigs.
    born: bool,
    /// That of the load balancer; `None`: it is not known.
    class: Option<Class<'a>>,
    /// What was accepted last.
    accepted: Option<&'a Expose>,
    /// The cluster moves away: what has gone from the settings since does not keep it there.
    left: bool,
}

/// The schema has its limits already.
fn port_number(field: &str, port: i32) -> Result<u16, Refusal> {
    let number = u16::try_from(port).ok().filter(|port| *port > 0);
    number.ok_or_else(|| Refusal::new(field, format!("{port} is not a port number")))
}

fn ip_address(field: &str, text: &str) -> Result<IpAddr, Refusal> {
    let address = text.parse().ok().filter(|address| !is_of_no_machine(address));
    address.ok_or_else(|| {
        Refusal::new(field, format!("{text:?} is no IP address that nodes could reach"))
    })
}

/// `asked` in place of what every kubelet has.
fn is_fixed(field: &str, what: &str, recorded: &str, asked: &str) -> Refusal {
    Refusal::new(
        field,
        format!(
            "the endpoint's {what} is {recorded}, not {asked}, and every kubelet may have it in its kubeconfig; set it back"
        ),
    )
}

/// Addresses of a load balancer of the operator's own may change while a cluster runs, and its networks may not.
pub(super) fn check_outside(networks: &Networks, exposure: &Exposure) -> Result<(), Refusal> {
    let Way::External { .. } = exposure.way else { return Ok(()) };
    external::check_outside(networks, &exposure.addresses)
}

fn extra_name(index: usize) -> String {
    format!("spec.expose.extraNames[{index}]")
}

/// One that nodes can dial: not a pattern, and no address that is nobody's.
pub(super) fn check_host(field: &str, host: &str) -> Result<(), Refusal> {
    let of_no_machine = host.parse().is_ok_and(|address| is_of_no_machine(&address));
    let last = host.rsplit('.').next().unwrap_or_default();
    let no_address = host.parse::<IpAddr>().is_err() && last.bytes().all(|b| b.is_ascii_digit());
    if of_no_machine || no_address || host.starts_with("*.") {
        return Err(Refusal::new(field, format!("{host:?} is no host that nodes could reach")));
    }
    check_name(field, host)
}

/// An address that is nobody's.
pub(super) fn is_of_no_machine(address: &IpAddr) -> bool {
    address.is_unspecified() || address.is_multicast()
}

/// A DNS-1123 subdomain, `*.` before it allowed, or an IP address.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let labels_ok = name.strip_prefix("*.").unwrap_or(name).split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    if labels_ok && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(Refusal::new(
        field,
        format!("{name:?} is neither an IP address nor a DNS name in lower case"),
    ))
}

/// Characters of a DNS name (RFC 1035, section 2.3.4: 255 octets with their lengths).
const LONGEST_NAME: usize = 253;
