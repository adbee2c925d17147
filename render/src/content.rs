//! What lives inside a tenant cluster: everything that a stock kubeadm of that minor, and the nodes it
//! joins, expect to find there. Names are exactly kubeadm's; `tests/kubeadm_parity/` compares each
//! object with what the real kubeadm writes.
//!
//! Every object is for server-side apply into the tenant, in the order of the fields of
//! [`ContentObjects`]. All carry the label `app.kubernetes.io/managed-by: nagaya`, by which they are watched.

mod administration;
mod api_endpoints;
mod core_dns;
mod discovery;
mod forwarder;
mod konnectivity;
mod kube_proxy;
mod kubeadm_config;
mod kubelet_config;
mod manifest;
mod node_bootstrap;
mod node_configs;
mod objects;
mod rbac;
mod yields;

use nagaya_pki::BootstrapToken;

pub use administration::{KUBELET_CLIENT_USER, admin_user_name};
pub(crate) use core_dns::core_dns_resources;
pub use kubelet_config::{CgroupDriver, cgroup_driver};
pub(crate) use manifest::{fill, kube_system_meta};
pub use objects::{
    Administration, ApiEndpoints, ContentObjects, CoreDnsObjects, Discovery, ForwarderObjects,
    KonnectivityAgents, KonnectivityObjects, KubeProxyObjects, NodeBootstrap, NodeConfigs,
};
pub(crate) use rbac::NODE_TOKEN_GROUP;
pub use yields::Field;

use crate::settings::Settings;
use crate::tenant::{Endpoint, Tenant};

/// What the content needs besides the tenant itself.
#[derive(Clone, Debug)]
pub struct ContentInputs<'a> {
    /// Where nodes and clients reach the API server.
    pub endpoint: &'a Endpoint,
    /// PEM certificates of the cluster CA, the current one first: what nodes pin.
    pub cluster_ca_bundle_pem: &'a str,
    /// The manager's own token: it signs cluster-info, so that the signature can be checked at any
    /// time, and lets nobody in.
    pub signing_token: &'a BootstrapToken,
}

/// Why the content cannot be built. None of these is expected for a validated tenant.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The Service network has no tenth address.
    #[error("spec.networking.serviceCIDRs is too small: cluster DNS is its tenth address")]
    NoDnsAddress,
    /// The kubeconfig in cluster-info could not be written.
    #[error("the kubeconfig of cluster-info cannot be written")]
    ClusterInfo(#[from] nagaya_pki::Error),
    /// A manifest of this crate cannot be read: a bug, found by the goldens.
    #[error("the built-in manifest of {what} cannot be read")]
    Manifest {
        /// Which one.
        what: &'static str,
        /// Why.
        source: serde_yaml_ng::Error,
    },
}

/// Builds every object of the tenant cluster.
///
/// # Errors
/// See [`ContentError`].
pub fn build_content(
    tenant: &Tenant,
    settings: &Settings,
    inputs: &ContentInputs<'_>,
) -> Result<ContentObjects, ContentError> {
    let (kube_proxy, core_dns) = (tenant.kube_proxy.as_ref(), tenant.core_dns.as_ref());
    let forwarder = tenant.forwarder.filter(|forwarder| forwarder.managed);
    Ok(ContentObjects {
        discovery: discovery::build_discovery(inputs)?,
        node_configs: node_configs::build_node_configs(tenant, inputs.endpoint)?,
        node_bootstrap: node_bootstrap::build_node_bootstrap(),
        administration: administration::build_administration(tenant),
        api_endpoints: api_endpoints::build_api_endpoints(tenant, inputs.endpoint),
        forwarder: forwarder
            .map(|one| forwarder::build_forwarder(tenant, one, settings, inputs.endpoint))
            .transpose()?,
        kube_proxy: kube_proxy
            .map(|spec| kube_proxy::build_kube_proxy(tenant, spec, settings, inputs.endpoint))
            .transpose()?,
        core_dns: core_dns
            .map(|spec| core_dns::build_core_dns(tenant, spec, settings, inputs.endpoint))
            .transpose()?,
        konnectivity: konnectivity::build_konnectivity(tenant, settings)?,
    })
}
