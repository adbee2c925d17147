//! Where the API server is reached: decided at birth, then recorded, because kubelets have it baked in. How a running
//! cluster gets another endpoint is in `exposure/moves.rs`.

mod gateway;
mod moves;
mod node_port;

use std::net::IpAddr;

use nagaya_api::{Expose, ExposeType, TenantCluster};

use super::Refusal;
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::Exposure;

const TYPE: &str = "spec.expose.type";
const HOSTNAME: &str = "spec.expose.hostname";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: Option<&PlaneRecord>,
) -> Result<Exposure, Refusal> {
    for (index, name) in raw.spec.expose.extra_names.iter().enumerate() {
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
    }
}

/// What is known of the endpoint already.
#[derive(Default)]
struct Recorded<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    /// Kubelets may have it in their kubeconfigs.
    born: bool,
    /// What was accepted last.
    accepted: Option<&'a Expose>,
    /// The cluster moves away: what has gone from the settings since does not keep it there.
    left: bool,
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
