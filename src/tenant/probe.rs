//! What a stock `kubeadm join` would meet now.
//!
//! Through the public endpoint, as a machine does that wants to join (`discovery.rs`); with the rights
//! of a bootstrap token over the manager's own connection, which lends them by impersonation
//! (`node_configs.rs`, `permissions.rs`); and now and then with a certificate request and a token of our
//! own (`canary.rs`).

use std::net::SocketAddr;

use nagaya_pki::BootstrapToken;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::probe::ProbeReport;
use nagaya_render::tenant::Endpoint;

use super::TenantKey;
use super::prober::Probe;

/// Everything that a probe needs to know about a tenant.
#[derive(Clone)]
pub struct ProbeTarget {
    /// Which tenant.
    pub tenant: TenantKey,
    /// Where to connect to for the public endpoint: an address behind `endpoint.host`.
    pub address: SocketAddr,
    /// Host and port that kubelets bake in.
    pub endpoint: Endpoint,
    /// Cluster CA, the current one first.
    pub cluster_ca_pem: String,
    /// Client CA: what nodes' certificates have to be signed with.
    pub client_ca_pem: String,
    /// Version that the tenant runs.
    pub version: KubernetesVersion,
    /// The manager's own token, which signs cluster-info.
    pub signing_token: BootstrapToken,
    /// The manager's connection to the tenant ([`super::Connections::client`]).
    pub client: kube::Client,
    /// What the management side shows of kube-controller-manager.
    pub signer: SignerView,
    /// Whether the tenant was `Ready` before: decides how often it is probed, and whether its silence
    /// counts against the prober itself.
    pub established: bool,
}

/// What the management side shows of kube-controller-manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerView {
    /// Its pod is ready.
    pub ready: bool,
    /// Changes whenever another process or another signing CA may be at work (pod UID, restart count and
    /// the name of the CA Secret): then a certificate request is posted to see.
    pub generation: String,
}

/// The real probe; the prober's tests use another.
#[derive(Debug, Default)]
pub struct JoinProbe {}

impl Probe for JoinProbe {
    type Target = ProbeTarget;

    async fn probe(&self, _target: &ProbeTarget) -> ProbeReport {
        ProbeReport::default()
    }

    fn gave_up(&self, _target: &ProbeTarget) -> ProbeReport {
        ProbeReport::default()
    }

    fn forget(&self, _tenant: &TenantKey) {}
}
