//! What a bootstrap token may do, and how its certificate requests are approved.
//! Source: `cmd/kubeadm/app/phases/bootstraptoken/node/tlsbootstrap.go`.

use super::objects::NodeBootstrap;
use super::rbac::{
    ClusterRoleRef, NODE_TOKEN_GROUP, NODES_GROUP, build_cluster_role, build_cluster_role_binding,
    group, rule,
};

const GET_NODES: &str = "kubeadm:get-nodes";

pub(super) fn build_node_bootstrap() -> NodeBootstrap {
    let bind =
        |name, role, to| build_cluster_role_binding(name, ClusterRoleRef(role), vec![group(to)]);
    NodeBootstrap {
        get_nodes: build_cluster_role(GET_NODES, vec![rule("", &["nodes"], &["get"])]),
        get_nodes_binding: bind(GET_NODES, GET_NODES, NODE_TOKEN_GROUP),
        kubelet_bootstrap: bind(
            "kubeadm:kubelet-bootstrap",
            "system:node-bootstrapper",
            NODE_TOKEN_GROUP,
        ),
        approve_bootstrap: bind(
            "kubeadm:node-autoapprove-bootstrap",
            "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
            NODE_TOKEN_GROUP,
        ),
        approve_rotation: bind(
            "kubeadm:node-autoapprove-certificate-rotation",
            "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
            NODES_GROUP,
        ),
    }
}
