//! What a Service says about itself: its names, its address, its limits. The rest of it is not kept.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use kube::ResourceExt as _;
use nagaya_api::labels;
use rustls::pki_types::DnsName;
use strum::IntoStaticStr;

use super::ServiceKey;

/// The port that is meant where there are several.
const PORT_NAME: &str = "https";

/// A Service with the gateway's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub service: ServiceKey,
    /// `NAMESPACE/NAME` of the `TenantCluster` by its labels, else its own.
    pub tenant: String,
    /// When it was made, in seconds since 1970. One that does not say so is the youngest.
    pub created: i64,
    /// Names in lower case, those that are names at all.
    pub names: Vec<Box<str>>,
    /// Where it leads.
    pub backend: Option<SocketAddr>,
    /// The annotation `nagaya.dev/gateway-connections`.
    pub connections: Option<u32>,
    /// The annotation `nagaya.dev/gateway-connection-rate`.
    pub rate: Option<u32>,
    /// What of it cannot be used.
    pub problems: Vec<ClaimProblem>,
}

/// What of a Service cannot be used. The names of the variants are labels of `nagaya_gateway_refused_names`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, IntoStaticStr)]
pub enum ClaimProblem {
    /// No annotation with names.
    #[error("the annotation {} is missing or empty: it has no name", labels::GATEWAY_HOSTS)]
    NoName,
    /// Not a host name: wildcards and addresses are none either.
    #[error("{name:?} in the annotation {} is no host name", labels::GATEWAY_HOSTS)]
    InvalidName {
        /// As it is there.
        name: String,
    },
    /// An older Service has it.
    #[error("{name} belongs to the older Service {by}")]
    NameTaken {
        /// The name.
        name: String,
        /// The older one.
        by: ServiceKey,
    },
    /// Headless, or without an address yet.
    #[error("it has no cluster IP")]
    NoAddress,
    /// Not one TCP port.
    #[error("it has no TCP port")]
    NoPort,
    /// A limit that is no number: the gateway's own counts.
    #[error("the annotation {annotation} is {value:?}, and no number")]
    InvalidLimit {
        /// Its key.
        annotation: &'static str,
        /// What it is.
        value: String,
    },
}

impl Claim {
    /// What a Service says.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let key = ServiceKey {
            namespace: service.namespace().unwrap_or_default(),
            name: service.name_any(),
        };
        let created = service.metadata.creation_timestamp.as_ref();
        let label = |name: &str| service.labels().get(name);
        let tenant = match (label(labels::TENANT_NAMESPACE), label(labels::TENANT_NAME)) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            _ => key.to_string(),
        };
        let mut claim = Self {
            service: key,
            tenant,
            created: created.map_or(i64::MAX, |time| time.0.as_second()),
            names: Vec::new(),
            backend: None,
            connections: None,
            rate: None,
            problems: Vec::new(),
        };
        claim.read_names(service);
        claim.connections = claim.read_limit(service, labels::GATEWAY_CONNECTIONS);
        claim.rate = claim.read_limit(service, labels::GATEWAY_CONNECTION_RATE);
        match backend(service.spec.as_ref()) {
            Ok(backend) => claim.backend = Some(backend),
            Err(problem) => claim.problems.push(problem),
        }
        claim
    }

    fn read_names(&mut self, service: &Service) {
        let text = service.annotations().get(labels::GATEWAY_HOSTS).map(String::as_str);
        let names = text.unwrap_or_default().split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            match host_name(name) {
                Some(name) if self.names.contains(&name) => {}
                Some(name) => self.names.push(name),
                None => self.problems.push(ClaimProblem::InvalidName { name: name.to_owned() }),
            }
        }
        if self.names.is_empty() && self.problems.is_empty() {
            self.problems.push(ClaimProblem::NoName);
        }
    }

    fn read_limit(&mut self, service: &Service, annotation: &'static str) -> Option<u32> {
        let value = service.annotations().get(annotation)?;
        let limit = value.trim().parse().ok();
        if limit.is_none() {
            self.problems.push(ClaimProblem::InvalidLimit { annotation, value: value.clone() });
        }
        limit
    }
}

/// A name as clients ask for it (RFC 6066, section 3: no address), in lower case and without a final dot.
fn host_name(text: &str) -> Option<Box<str>> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_name = DnsName::try_from(name.as_str()).is_ok() && name.parse::<IpAddr>().is_err();
    is_name.then(|| name.into_boxed_str())
}

fn backend(spec: Option<&ServiceSpec>) -> Result<SocketAddr, ClaimProblem> {
    let address = spec.and_then(|spec| spec.cluster_ip.as_deref()?.parse::<IpAddr>().ok());
    let address = address.ok_or(ClaimProblem::NoAddress)?;
    let ports = spec.and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let tcp = || ports.iter().filter(|port| matches!(port.protocol.as_deref(), None | Some("TCP")));
    let named = tcp().find(|port| port.name.as_deref() == Some(PORT_NAME));
    let port = named.or_else(|| tcp().next()).and_then(|port| u16::try_from(port.port).ok());
    Ok(SocketAddr::new(address, port.ok_or(ClaimProblem::NoPort)?))
}
