//! A port on every management node.

use std::net::IpAddr;

use nagaya_api::TenantCluster;

use super::super::Refusal;
use super::{HOSTNAME, Recorded, check_host, port_number};
use crate::moves::Moves;
use crate::settings::Settings;
use crate::tenant::{Exposure, Way};

const NODE_PORT_HOST: &str = "spec.expose.nodePort.host";
pub(super) const NODE_PORT: &str = "spec.expose.nodePort.port";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    recorded: &Recorded<'_>,
) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    let node_host = expose
        .node_port
        .as_ref()
        .and_then(|node_port| node_port.host.clone())
        .or_else(|| settings.node_port_host.clone());
    let Wanted { field, host: wanted, explicit } = wanted_host(raw, settings, node_host.clone());
    let host = match (recorded.host, wanted) {
        // No kubelet knows it yet.
        (Some(_), Some(wanted)) if explicit && !recorded.born => wanted,
        (Some(recorded), Some(wanted)) if recorded != wanted && explicit => {
            return Err(Refusal::new(
                field,
                format!(
                    "the endpoint is {recorded} since the cluster was created and every kubelet has it in its \
                     kubeconfig; set it back, or add {wanted} to spec.expose.extraNames"
                ),
            ));
        }
        (Some(recorded), _) => recorded.to_owned(),
        (None, Some(wanted)) => wanted,
        (None, None) => {
            return Err(Refusal::new(
                NODE_PORT_HOST,
                "no host is known under which the tenant's nodes reach the management nodes; set it here, or \
                 nodePortHost in the manager's configuration",
            ));
        }
    };
    check_host(field, &host)?;
    if let Some(node_host) = &node_host {
        check_host(NODE_PORT_HOST, node_host)?;
    }
    Ok(Exposure {
        addresses: addresses(&host, node_host.as_deref(), settings)?,
        host: Some(host),
        port: port(raw, recorded)?,
        way: Way::NodePort,
        extra_names: expose.extra_names.clone(),
        moves: Moves::default(),
    })
}

/// The host that the spec or the configuration asks for today.
struct Wanted {
    field: &'static str,
    host: Option<String>,
    /// Asked for by the spec itself: the manager's configuration may change under a running tenant
    /// without harm, the spec may not.
    explicit: bool,
}

fn wanted_host(raw: &TenantCluster, settings: &Settings, node_host: Option<String>) -> Wanted {
    let expose = &raw.spec.expose;
    if let Some(hostname) = &expose.hostname {
        return Wanted { field: HOSTNAME, host: Some(hostname.clone()), explicit: true };
    }
    let meta = &raw.metadata;
    if let (Some(domain), Some(name), Some(namespace)) =
        (&settings.domain, &meta.name, &meta.namespace)
    {
        let host = Some(format!("{name}.{namespace}.{domain}"));
        return Wanted { field: HOSTNAME, host, explicit: false };
    }
    let explicit = expose.node_port.as_ref().is_some_and(|node_port| node_port.host.is_some());
    Wanted { field: NODE_PORT_HOST, host: node_host, explicit }
}

/// Those behind `host`: its own if it is one, whatever the configuration says today.
fn addresses(
    host: &str,
    node_host: Option<&str>,
    settings: &Settings,
) -> Result<Vec<IpAddr>, Refusal> {
    let mut literal = [Some(host), node_host].into_iter().flatten();
    if let Some(address) = literal.find_map(|host| host.parse().ok()) {
        return Ok(vec![address]);
    }
    if settings.node_port_addresses.is_empty() {
        return Err(Refusal::new(
            NODE_PORT_HOST,
            "an IP address of the management nodes is needed too: pods of the tenant reach the API by \
             address; give an IP address here, or set nodePortAddresses in the manager's configuration",
        ));
    }
    Ok(settings.node_port_addresses.clone())
}

fn port(raw: &TenantCluster, recorded: &Recorded<'_>) -> Result<Option<u16>, Refusal> {
    let wanted = raw.spec.expose.node_port.as_ref().and_then(|node_port| node_port.port);
    let wanted = wanted.map(|port| port_number(NODE_PORT, port)).transpose()?;
    match (recorded.port, wanted) {
        (Some(_), Some(wanted)) if !recorded.born => Ok(Some(wanted)),
        (Some(recorded), Some(wanted)) if recorded != wanted => Err(Refusal::new(
            NODE_PORT,
            format!(
                "the endpoint's port is {recorded} since the cluster was created and every kubelet has it in \
                 its kubeconfig; set it back"
            ),
        )),
        (recorded, wanted) => Ok(recorded.or(wanted)),
    }
}
