//! Whether two tenants would have one endpoint: machines of the one would meet the API server of the other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nagaya_api::labels;

use super::super::Refusal;
use super::{HOSTNAME, external};
use crate::moves::Former;
use crate::tenant::{Tenant, Way};

/// A place that one tenant alone may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// A DNS name or an IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Sought {
    /// Whether it is the endpoint of a tenant or the one of before, by the annotations of its control-plane namespace.
    #[must_use]
    pub fn is_of(&self, record: &BTreeMap<String, String>) -> bool {
        let host = canonical(&self.host);
        let is_host = |key: &str| record.get(key).is_some_and(|found| canonical(found) == host);
        let is_port = record.get(labels::ENDPOINT_PORT) == Some(&self.port.to_string());
        if is_port && (is_host(labels::ENDPOINT_HOST) || is_host(labels::ENDPOINT_ADDRESS)) {
            return true;
        }
        let Some(text) = record.get(labels::FORMER_ENDPOINT) else { return false };
        // Whatever of one that cannot be read names the host.
        let Ok(former) = serde_json::from_str::<Former>(text) else { return text.contains(&host) };
        // Several outside load balancers may be at one address, and be told apart by their names.
        let given = former.addresses.iter().filter(|_| matches!(former.way, Way::LoadBalancer(_)));
        let mut hosts = given.map(IpAddr::to_string).chain([canonical(&former.host)]);
        former.port == self.port && hosts.any(|other| other == host)
    }
}

/// An IPv6 address can be written in many ways.
fn canonical(host: &str) -> String {
    host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

/// Refuses host and port that the operator alone gives, where another tenant has them. Ports of nodes and addresses of load
/// balancers are given once by those.
#[must_use]
pub fn refuse_shared(
    tenant: &Tenant,
    owner: impl FnOnce(&Sought) -> Option<String>,
) -> Option<Refusal> {
    let next = tenant.awaited();
    let tenant = next.as_ref().unwrap_or(tenant);
    let field = match tenant.exposure.way {
        Way::External { .. } => external::HOST,
        Way::LoadBalancer(_) if tenant.spec.expose.hostname.is_some() => HOSTNAME,
        Way::LoadBalancer(_) | Way::NodePort | Way::Gateway { .. } => return None,
    };
    let endpoint = tenant.exposure.endpoint()?;
    let other = owner(&Sought { host: canonical(&endpoint.host), port: endpoint.port })?;
    let endpoint = endpoint.authority();
    Some(Refusal::new(
        field,
        format!("{endpoint} is the endpoint of {other}; give another host or port"),
    ))
}
