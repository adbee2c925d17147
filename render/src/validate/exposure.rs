//! Where the API server is reached: decided at birth, then recorded, because kubelets have it baked in.

use std::net::IpAddr;

use nagaya_api::TenantCluster;

use super::Refusal;
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::Exposure;

const HOSTNAME: &str = "spec.expose.hostname";
const NODE_PORT_HOST: &str = "spec.expose.nodePort.host";
const NODE_PORT: &str = "spec.expose.nodePort.port";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: Option<&PlaneRecord>,
) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    let node_host = expose
        .node_port
        .as_ref()
        .and_then(|node_port| node_port.host.clone())
        .or_else(|| settings.node_port_host.clone());
    let Wanted { field, host: wanted, explicit } = wanted_host(raw, settings, node_host.clone());
    let recorded = record.and_then(|record| record.endpoint_host.clone());
    let born = record.is_some_and(|record| record.born);
    let host = match (recorded, wanted) {
        // No kubelet knows it yet.
        (Some(_), Some(wanted)) if explicit && !born => wanted,
        (Some(recorded), Some(wanted)) if recorded != wanted && explicit => {
            return Err(Refusal::new(
                field,
                format!(
                    "the endpoint is {recorded} since the cluster was created and every kubelet has it in its \
                     kubeconfig; set it back, or add {wanted} to spec.expose.extraNames"
                ),
            ));
        }
        (Some(recorded), _) => recorded,
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
    for (index, name) in expose.extra_names.iter().enumerate() {
        check_name(&format!("spec.expose.extraNames[{index}]"), name)?;
    }
    Ok(Exposure {
        addresses: addresses(&host, node_host.as_deref(), settings)?,
        host,
        node_port: node_port(raw, record)?,
        extra_names: expose.extra_names.clone(),
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

fn node_port(raw: &TenantCluster, record: Option<&PlaneRecord>) -> Result<Option<u16>, Refusal> {
    let wanted = match raw.spec.expose.node_port.as_ref().and_then(|node_port| node_port.port) {
        Some(port) => Some(
            u16::try_from(port)
                .map_err(|_| Refusal::new(NODE_PORT, format!("{port} is not a port number")))?,
        ),
        None => None,
    };
    let born = record.is_some_and(|record| record.born);
    match (record.and_then(|record| record.endpoint_port), wanted) {
        (Some(_), Some(wanted)) if !born => Ok(Some(wanted)),
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

/// One that nodes can dial: not a pattern, and no address that is nobody's.
pub(super) fn check_host(field: &str, host: &str) -> Result<(), Refusal> {
    let of_no_machine = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified() || address.is_multicast());
    let last = host.rsplit('.').next().unwrap_or_default();
    let no_address = host.parse::<IpAddr>().is_err() && last.bytes().all(|b| b.is_ascii_digit());
    if of_no_machine || no_address || host.starts_with("*.") {
        return Err(Refusal::new(field, format!("{host:?} is no host that nodes could reach")));
    }
    check_name(field, host)
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
    if labels_ok && name.len() <= 253 {
        return Ok(());
    }
    Err(Refusal::new(
        field,
        format!("{name:?} is neither an IP address nor a DNS name in lower case"),
    ))
}
