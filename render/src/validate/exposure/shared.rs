//! Whether two tenants would have one endpoint: machines of the one would meet the API server of the other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nagaya_api::{ExposeType, TenantClusterSpec, labels};

use super::super::Refusal;
use super::{HOSTNAME, external, node_port};
use crate::moves::Former;
use crate::tenant::{Tenant, Way};

/// A place that one tenant alone may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Where clients connect.
    Endpoint {
        /// A DNS name or an IP address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A port on every management node.
    NodePort(u16),
}

impl Sought {
    /// Whether it is a tenant's, now or as its former endpoint, by the annotations of its control-plane namespace.
    #[must_use]
    pub fn is_of(&self, record: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Endpoint { host, port } => is_endpoint(record, &canonical(host), *port),
            Self::NodePort(port) => is_node_port(record, *port),
        }
    }
}

fn is_endpoint(record: &BTreeMap<String, String>, host: &str, port: u16) -> bool {
    let is_host = |key: &str| record.get(key).is_some_and(|found| canonical(found) == host);
    let is_port = record.get(labels::ENDPOINT_PORT) == Some(&port.to_string());
    if is_port && (is_host(labels::ENDPOINT_HOST) || is_host(labels::ENDPOINT_ADDRESS)) {
        return true;
    }
    let Some(text) = record.get(labels::FORMER_ENDPOINT) else { return false };
    // Whatever of one that cannot be read names the host.
    let Ok(former) = serde_json::from_str::<Former>(text) else { return text.contains(host) };
    // Several outside load balancers may be at one address, and be told apart by their names.
    let given = former.addresses.iter().filter(|_| matches!(former.way, Way::LoadBalancer(_)));
    let mut hosts = given.map(IpAddr::to_string).chain([canonical(&former.host)]);
    former.port == port && hosts.any(|other| other == host)
}

/// Also while the Service is away that has it: then Kubernetes gives it to whoever asks for one.
fn is_node_port(record: &BTreeMap<String, String>, port: u16) -> bool {
    let is_recorded = |key: &str| record.get(key) == Some(&port.to_string());
    let leads_to_nodes = || {
        let accepted = record.get(labels::ACCEPTED_SPEC).map(|text| serde_json::from_str(text));
        let accepted = accepted.and_then(Result::<TenantClusterSpec, _>::ok);
        accepted.is_some_and(|spec| spec.expose.type_ == ExposeType::NodePort)
    };
    if is_recorded(labels::ENDPOINT_NODE_PORT)
        || (is_recorded(labels::ENDPOINT_PORT) && leads_to_nodes())
    {
        return true;
    }
    let former = record.get(labels::FORMER_ENDPOINT).map(|text| serde_json::from_str(text));
    let former = former.and_then(Result::<Former, _>::ok);
    former.is_some_and(|former| former.way.node_port(Some(former.port)) == Some(port))
}

/// An IPv6 address can be written in many ways.
fn canonical(host: &str) -> String {
    host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

/// Refuses host and port, or a node port, that the operator alone gives, where another tenant has them. Addresses of load balancers
/// are given once by those.
#[must_use]
pub fn refuse_shared(
    tenant: &Tenant,
    owner: impl FnOnce(&Sought) -> Option<String>,
) -> Option<Refusal> {
    let next = tenant.awaited();
    let tenant = next.as_ref().unwrap_or(tenant);
    if let Some(port) = asked_node_port(tenant) {
        let other = owner(&Sought::NodePort(port))?;
        return Some(Refusal::new(
            node_port::NODE_PORT,
            format!(
                "{port} is the node port of {other}, also while that has no Service; give another"
            ),
        ));
    }
    let field = match tenant.exposure.way {
        Way::External { .. } => external::HOST,
        Way::LoadBalancer(_) if tenant.spec.expose.hostname.is_some() => HOSTNAME,
        Way::LoadBalancer(_) | Way::NodePort | Way::Gateway { .. } => return None,
    };
    let endpoint = tenant.exposure.endpoint()?;
    let other = owner(&Sought::Endpoint { host: canonical(&endpoint.host), port: endpoint.port })?;
    let endpoint = endpoint.authority();
    Some(Refusal::new(
        field,
        format!("{endpoint} is the endpoint of {other}; give another host or port"),
    ))
}

fn asked_node_port(tenant: &Tenant) -> Option<u16> {
    let asked = tenant.spec.expose.node_port.as_ref()?.port?;
    tenant.exposure.port.filter(|port| i32::from(*port) == asked)
}
