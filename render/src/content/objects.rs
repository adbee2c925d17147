//! What [`super::build_content`] returns: a named field for each object, so that an object which nobody applies
//! does not compile (take them apart exhaustively).

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;

use super::yields::Field;

/// Every object of a tenant cluster, in the order in which they are applied: what a joining kubeadm
/// reads first comes first, what needs nodes to run comes last.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// `None`: not managed, or not needed.
    pub forwarder: Option<ForwarderObjects>,
    /// `None`: not managed.
    pub kube_proxy: Option<KubeProxyObjects>,
    /// `None`: not managed.
    pub core_dns: Option<CoreDnsObjects>,
    /// `None`: there is no tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub konnectivity: Option<KonnectivityObjects>,
}

/// What `kubeadm join` reads without a credential.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Administration {
    /// kubeadm:cluster-admins, for kubeconfigs that kubeadm makes.
    pub kubeadm_cluster_admins: ClusterRoleBinding,
    /// kubeadm:apiserver-kubelet-client: the API server towards kubelets (logs, exec).
    pub kubelet_client: ClusterRoleBinding,
    /// nagaya:admin: the user of the Secret NAME-kubeconfig ([`super::admin_user_name`]).
    pub admin: ClusterRoleBinding,
}

/// Addresses of the API server, in both forms (conformance compares them).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApiEndpoints {
    /// default/kubernetes.
    pub endpoints: Endpoints,
    /// default/kubernetes.
    pub endpoint_slice: EndpointSlice,
}

/// What is at the address of [`ApiEndpoints`] on every node, behind the gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForwarderObjects {
    /// kube-system/nagaya-forwarder.
    pub daemon_set: DaemonSet,
}

/// kube-proxy as kubeadm deploys it.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Fields of the DaemonSet that whoever sets them keeps.
    pub yields: Vec<Field>,
}

/// CoreDNS as kubeadm deploys it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoreDnsObjects {
    /// kube-system/coredns.
    pub service_account: ServiceAccount,
    /// system:coredns.
    pub cluster_role: ClusterRole,
    /// system:coredns.
    pub cluster_role_binding: ClusterRoleBinding,
    /// kube-system/coredns: the Corefile.
    pub config: ConfigMap,
    /// kube-system/kube-dns, at [`crate::tenant::Tenant::dns_ip`].
    pub service: Service,
    /// kube-system/coredns.
    pub deployment: Deployment,
    /// Fields of the Deployment that whoever sets them keeps.
    pub yields: Vec<Field>,
}

/// The tunnel's part in the tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KonnectivityObjects {
    /// system:konnectivity-server: the server may ask who an agent is.
    pub server: ClusterRoleBinding,
    /// `None`: not managed.
    pub agents: Option<KonnectivityAgents>,
}

/// The tunnel's agents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KonnectivityAgents {
    /// kube-system/konnectivity-agent: a name for tokens, without any right.
    pub service_account: ServiceAccount,
    /// kube-system/konnectivity-agent.
    pub daemon_set: DaemonSet,
}
