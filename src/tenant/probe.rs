//! What a stock `kubeadm join` would meet now.
//!
//! Through the public endpoint, as a machine does that wants to join (`discovery.rs`,
//! `public_endpoint.rs`); with the rights of a bootstrap token over the manager's own connection, which
//! lends them (`rights.rs`, `bootstrap_rights.rs`, `node_configs.rs`); and now and then with a certificate request and
//! a token of our own (`canary.rs`). Beside that, whether kube-apiserver itself still writes (`renewals.rs`).

mod bootstrap_rights;
mod canary;
mod discovery;
mod node_configs;
mod public_endpoint;
mod renewals;
mod rights;
#[cfg(test)]
mod test_api;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nagaya_pki::BootstrapToken;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::probe::{Finding, ProbeReport, Reason};
use nagaya_render::tenant::Endpoint;
use tokio::time::timeout;

use super::prober::Probe;
use super::{Changes, Dial, TenantKey};
use bootstrap_rights::BootstrapRights;
use canary::{Canary, Landed};
use discovery::Discovery;
use rights::Rights;

/// Each side has to have answered by then; the prober's own deadline is later.
const LOOK_DEADLINE: Duration = Duration::from_millis(3500);
/// That kube-apiserver says nothing of its Leases is no reason to miss the rest.
const LEASES_DEADLINE: Duration = Duration::from_millis(2500);

/// Everything that a probe needs to know about a tenant.
#[derive(Clone)]
pub struct ProbeTarget {
    /// Which tenant.
    pub tenant: TenantKey,
    /// Where to connect to for the public endpoint: an address behind `endpoint.host`.
    pub address: SocketAddr,
    /// The gateway is there, and asked by `endpoint.host` for the way to the API server.
    pub through_gateway: bool,
    /// Where to look if nothing answers ([`nagaya_render::tenant::Way::suspect`]).
    pub suspect: String,
    /// How.
    pub dial: Arc<dyn Dial>,
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
    /// Changes whenever another kube-apiserver may be at work (its Deployment's resourceVersion): then it is shown a
    /// bootstrap token.
    pub api_servers: String,
    /// What happens to what a bootstrap token's rights rest on; `None` while it is not watched.
    pub changes: Option<Changes>,
    /// Whether the tenant was `Ready` before: decides how often it is probed, and whether its silence
    /// counts against the prober itself.
    pub established: bool,
}

/// What the management side shows of kube-controller-manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerView {
    /// Its pod is ready.
    pub ready: bool,
    /// Changes whenever another process may be at work (the StatefulSet's resourceVersion): then a
    /// certificate request is posted to see.
    pub generation: String,
}

/// The real probe; the prober's tests use another.
#[derive(Debug, Default)]
pub struct JoinProbe {
    rights: Rights,
    canary: Canary,
}

impl Probe for JoinProbe {
    type Target = ProbeTarget;

    async fn probe(&self, target: &ProbeTarget) -> ProbeReport {
        let (outside, inside) = tokio::join!(
            timeout(LOOK_DEADLINE, discovery::look(target)),
            timeout(LOOK_DEADLINE, self.look_inside(target)),
        );
        let outside = outside.unwrap_or_else(|_| Discovery {
            endpoint: public_endpoint::timed_out(target),
            ..Discovery::default()
        });
        let (inside, stalled) = inside.unwrap_or_default();
        let report = assemble(outside, inside);
        ProbeReport { stalled, ..self.with_signer(report, target) }
    }

    fn gave_up(&self, _: &ProbeTarget) -> ProbeReport {
        ProbeReport::default()
    }

    fn forget(&self, tenant: &TenantKey) {
        self.rights.forget(tenant);
        self.canary.forget(tenant);
    }
}

impl JoinProbe {
    /// What the manager's own connection shows, and whether kube-apiserver is overdue with its Leases.
    async fn look_inside(&self, target: &ProbeTarget) -> (BootstrapRights, bool) {
        let leases = timeout(LEASES_DEADLINE, renewals::are_overdue(&target.client));
        let (rights, overdue) = if self.rights.hold(target) {
            let overdue = leases.await.ok().flatten();
            // Nothing else tells that the manager cannot ask any more.
            let rights = match overdue {
                Some(_) => BootstrapRights::WELL,
                None => self.rights.look(target).await,
            };
            (rights, overdue)
        } else {
            let (rights, overdue) = tokio::join!(self.rights.look(target), leases);
            (rights, overdue.ok().flatten())
        };
        (rights, overdue.unwrap_or_default())
    }

    /// Adds what only the canary can tell. It is not sent out while something else is broken: it would
    /// say the same, only later.
    fn with_signer(&self, report: ProbeReport, target: &ProbeTarget) -> ProbeReport {
        if !target.signer.ready {
            let signer = Finding::failed(
                Reason::SignerNotReady,
                "kube-controller-manager is not ready: nobody signs the certificate of a new node",
            );
            return ProbeReport { signer, ..report };
        }
        if report.first_failure().is_some() || !report.permissions.is_ok() {
            return report;
        }
        let Landed { authentication, signer } = self.canary.ask(target);
        ProbeReport { authentication, signer, ..report }
    }
}

/// One report of both sides. When the public endpoint cannot be talked to, what the other side says
/// about the same API server is no news.
fn assemble(outside: Discovery, inside: BootstrapRights) -> ProbeReport {
    let Discovery { endpoint, cluster_info, signature } = outside;
    let BootstrapRights { kubeadm_config, kubelet_config, kube_proxy_config, permissions } =
        if endpoint.is_ok() { inside } else { BootstrapRights::default() };
    ProbeReport {
        endpoint,
        cluster_info,
        signature,
        kubeadm_config,
        kubelet_config,
        kube_proxy_config,
        permissions,
        authentication: Finding::Unknown,
        signer: Finding::Unknown,
        stalled: false,
    }
}
