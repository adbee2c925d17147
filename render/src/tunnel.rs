//! The tunnel: how a tenant's kube-apiserver reaches kubelets, pods and Services that are behind a NAT or a firewall. Upstream's
//! konnectivity (`sigs.k8s.io/apiserver-network-proxy`): a server beside kube-apiserver, and an agent on each node that
//! connects to it through the gateway. Who is behind the gateway has it.
//!
//! | where | what |
//! |---|---|
//! | `plane/kube_apiserver/tunnel.rs` | the server, and what kube-apiserver is told of it |
//! | `plane/services.rs` | its Service, which the gateway leads to |
//! | `content/konnectivity.rs` | the agents, and what the server may do in the tenant |
//! | `certificates/` | what the server shows to agents, and to kube-apiserver |

use std::net::IpAddr;

use crate::tenant::{Endpoint, Exposure, Tenant, Way};

/// User as which the server asks kube-apiserver who an agent is, and the audience of the tokens by which agents say so.
pub(crate) const SERVER_USER: &str = "system:konnectivity-server";
/// `ServiceAccount` of the agents, in kube-system.
pub(crate) const AGENT: &str = "konnectivity-agent";
/// How long a connection may say nothing before either side asks whether the other is still there, which it has 20 s to answer
/// (gRPC; no flag): one that a NAT forgot is given up within a minute. The server refuses who asks more often than every 30 s
/// (`runAgentServer`); what is under way for a second longer is to be no more often.
pub(crate) const KEEPALIVE: &str = "35s";

/// What comes before the endpoint's name in the tunnel's.
const LABEL: &str = "konnectivity";

impl Tenant {
    /// The name by which agents ask for the server at the gateway; `None`: there is no tunnel. Who moves away from the gateway
    /// has it until the former endpoint ends.
    #[must_use]
    pub fn tunnel_host(&self) -> Option<String> {
        self.at_gateway().map(|(host, ..)| host_of(host))
    }

    /// The same with its port, and the addresses of the gateway.
    pub(crate) fn tunnel_endpoint(&self) -> Option<(Endpoint, &[IpAddr])> {
        let (host, port, addresses) = self.at_gateway()?;
        Some((Endpoint { host: host_of(host), port: port? }, addresses))
    }

    /// Whether its present or its former endpoint is at the gateway.
    #[must_use]
    pub fn is_behind_gateway(&self) -> bool {
        self.at_gateway().is_some()
    }

    fn at_gateway(&self) -> Option<(&str, Option<u16>, &[IpAddr])> {
        let is_gateway = |way: &Way| matches!(way, Way::Gateway { .. });
        let Exposure { host, port, addresses, way, moves, .. } = &self.exposure;
        if is_gateway(way) {
            return Some((host.as_deref()?, *port, addresses));
        }
        let former = moves.former.as_ref().filter(|former| is_gateway(&former.way))?;
        Some((&former.host, Some(former.port), &former.addresses))
    }
}

/// The name of the tunnel to an endpoint. No other cluster has it: the name of a cluster is a DNS label.
pub(crate) fn host_of(endpoint: &str) -> String {
    format!("{LABEL}.{endpoint}")
}
