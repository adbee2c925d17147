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
        let is = |key: &str, value: &str| record.get(key).is_some_and(|found| found == value);
        let is_here =
            is(labels::ENDPOINT_HOST, &self.host) || is(labels::ENDPOINT_ADDRESS, &self.host);
        if is_here && is(labels::ENDPOINT_PORT, &self.port.to_string()) {
            return true;
        }
        let former = record.get(labels::FORMER_ENDPOINT);
        let former = former.and_then(|text| serde_json::from_str::<Former>(text).ok());
        former.is_some_and(|former| {
            // Several outside load balancers may be at one address, and be told apart by their names.
            let given =
                former.addresses.iter().filter(|_| matches!(former.way, Way::LoadBalancer(_)));
            let mut hosts = given.map(IpAddr::to_string).chain([former.host.clone()]);
            former.port == self.port && hosts.any(|host| host == self.host)
        })
    }
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
    let other = owner(&Sought { host: endpoint.host.clone(), port: endpoint.port })?;
    let endpoint = endpoint.authority();
    Some(Refusal::new(
        field,
        format!("{endpoint} is the endpoint of {other}; give another host or port"),
    ))
}
