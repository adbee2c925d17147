//! A name at the gateway, which has one address and one port for all tenants.

use std::net::IpAddr;

use nagaya_api::{Expose, TenantCluster};

use super::super::Refusal;
use super::{HOSTNAME, LONGEST_NAME, Recorded, TYPE, check_host, extra_name};
use crate::moves::Moves;
use crate::settings::{GatewaySettings, Settings};
use crate::tenant::{Exposure, Way};
use crate::tunnel;

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    recorded: &Recorded<'_>,
) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    let gateway = &settings.gateway;
    refuse_hostname(expose)?;
    let host = match recorded.host {
        Some(host) => recorded_name(raw, host, recorded)?,
        None => own_name(raw, gateway)?,
    };
    check_host(TYPE, &host)?;
    refuse_names_of_others(expose, &host, gateway, recorded)?;
    if gateway.addresses.is_empty() && !recorded.left {
        return Err(unset("gateway.addresses, the IP addresses of the gateway,"));
    }
    Ok(Exposure {
        addresses: gateway.addresses.clone(),
        port: Some(recorded.port.unwrap_or(gateway.port.get())),
        way: Way::Gateway { hosts: hosts(&host, expose, gateway) },
        host: Some(host),
        extra_names: expose.extra_names.clone(),
        moves: Moves::default(),
    })
}

/// It names the cluster itself.
fn refuse_hostname(expose: &Expose) -> Result<(), Refusal> {
    match &expose.hostname {
        None => Ok(()),
        Some(hostname) => Err(Refusal::new(
            HOSTNAME,
            format!(
                "behind the gateway the endpoint is NAME.NAMESPACE.DOMAIN; remove it, and add {hostname} to \
                 spec.expose.extraNames to reach the cluster by that name as well"
            ),
        )),
    }
}

/// What was accepted says that it is the gateway's; where that is lost, it must at least be one that the gateway could have.
fn recorded_name(
    raw: &TenantCluster,
    host: &str,
    recorded: &Recorded<'_>,
) -> Result<String, Refusal> {
    if recorded.accepted.is_none() && !host.starts_with(&format!("{}.", own_labels(raw))) {
        return Err(Refusal::new(
            TYPE,
            format!(
                "the endpoint is {host} since the cluster was created, which is not at the gateway; set it back"
            ),
        ));
    }
    Ok(host.to_owned())
}

/// `NAME.NAMESPACE`.
fn own_labels(raw: &TenantCluster) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}.{}", part(&raw.metadata.name), part(&raw.metadata.namespace))
}

fn own_name(raw: &TenantCluster, gateway: &GatewaySettings) -> Result<String, Refusal> {
    let domain = gateway.domain.as_ref().ok_or_else(|| unset("gateway.domain"))?;
    let host = format!("{}.{domain}", own_labels(raw));
    let longest = tunnel::host_of(&host);
    if longest.len() > LONGEST_NAME {
        return Err(Refusal::new(
            "metadata.name",
            format!(
                "the endpoint would be {host} and the tunnel's {longest}, which has {} characters, and a DNS name has \
                 {LONGEST_NAME} at most; choose shorter names for the TenantCluster or its namespace, or a shorter \
                 gateway.domain in the manager's configuration",
                longest.len()
            ),
        ));
    }
    Ok(host)
}

fn unset(what: &str) -> Refusal {
    let message = format!(
        "Gateway is not there: {what} is not set in the manager's configuration; set it, or use NodePort"
    );
    Refusal::new(TYPE, message)
}

/// The gateway leads a name to the oldest Service that has it: who asked first for the name of a cluster to come would
/// keep it. One that was accepted before the domain was this one stays, and is not led.
fn refuse_names_of_others(
    expose: &Expose,
    host: &str,
    gateway: &GatewaySettings,
    recorded: &Recorded<'_>,
) -> Result<(), Refusal> {
    let stays =
        |name| recorded.accepted.is_some_and(|accepted| accepted.extra_names.contains(name));
    for (index, name) in expose.extra_names.iter().enumerate() {
        if name == host || stays(name) {
            continue;
        }
        let why = if is_below(gateway, name) {
            "is below the gateway's domain, where each cluster has the name of its own alone"
        } else if is_everybodys(name) {
            "is how pods of every cluster ask for their API server, and in its certificate anyway"
        } else {
            continue;
        };
        return Err(Refusal::new(extra_name(index), format!("{name} {why}; remove it")));
    }
    Ok(())
}

/// Whether pods of every tenant ask for their own API server by it: `default/kubernetes` leads all of them to the gateway.
fn is_everybodys(name: &str) -> bool {
    matches!(name, "kubernetes" | "kubernetes.default") || name.starts_with("kubernetes.default.")
}

fn is_below(gateway: &GatewaySettings, name: &str) -> bool {
    let domain = gateway.domain.as_deref();
    domain
        .and_then(|domain| name.strip_suffix(domain))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The gateway compares whole names: an address is none (RFC 6066, section 3), and no pattern fits.
fn hosts(host: &str, expose: &Expose, gateway: &GatewaySettings) -> Vec<String> {
    let mut hosts = vec![host.to_owned()];
    for name in &expose.extra_names {
        let is_name = name.parse::<IpAddr>().is_err() && !name.starts_with('*');
        let is_others = is_below(gateway, name) || is_everybodys(name);
        if is_name && !is_others && !hosts.contains(name) {
            hosts.push(name.clone());
        }
    }
    hosts
}
