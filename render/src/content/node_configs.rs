//! What `kubeadm join` reads with the bootstrap token.
//! Source: `cmd/kubeadm/app/phases/{uploadconfig,kubelet}`.

use super::manifest::{KUBE_SYSTEM, build_config_map, meta};
use super::objects::NodeConfigs;
use super::rbac::{
    NODE_TOKEN_GROUP, NODES_GROUP, build_config_map_reader, build_role_binding, group,
};
use super::{ContentError, kubeadm_config, kubelet_config};
use crate::tenant::{Endpoint, Tenant};

const KUBEADM_CONFIG: &str = "kubeadm-config";
const KUBEADM_CONFIG_READER: &str = "kubeadm:nodes-kubeadm-config";
const KUBELET_CONFIG: &str = "kubelet-config";
const KUBELET_CONFIG_READER: &str = "kubeadm:kubelet-config";

pub(super) fn build_node_configs(
    tenant: &Tenant,
    endpoint: &Endpoint,
) -> Result<NodeConfigs, ContentError> {
    let kubeadm = kubeadm_config::cluster_configuration(tenant, endpoint);
    let kubelet = kubelet_config::kubelet_configuration(tenant)?;
    Ok(NodeConfigs {
        kubeadm_config: build_config_map(
            meta(KUBE_SYSTEM, KUBEADM_CONFIG),
            [("ClusterConfiguration", kubeadm)],
        ),
        kubeadm_config_role: build_config_map_reader(
            KUBE_SYSTEM,
            KUBEADM_CONFIG_READER,
            KUBEADM_CONFIG,
        ),
        kubeadm_config_role_binding: build_role_binding(
            KUBE_SYSTEM,
            KUBEADM_CONFIG_READER,
            vec![group(NODE_TOKEN_GROUP), group(NODES_GROUP)],
        ),
        kubelet_config: build_config_map(meta(KUBE_SYSTEM, KUBELET_CONFIG), [("kubelet", kubelet)]),
        kubelet_config_role: build_config_map_reader(
            KUBE_SYSTEM,
            KUBELET_CONFIG_READER,
            KUBELET_CONFIG,
        ),
        kubelet_config_role_binding: build_role_binding(
            KUBE_SYSTEM,
            KUBELET_CONFIG_READER,
            vec![group(NODES_GROUP), group(NODE_TOKEN_GROUP)],
        ),
    })
}
