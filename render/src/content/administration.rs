//! Who is let in besides nodes.
//!
//! The tenant's administrator is a user of its own with a binding of its own, so that access can be taken
//! away again. The group `system:masters` cannot: it is authorized before RBAC is asked.

use super::objects::Administration;
use super::rbac::{ClusterRoleRef, build_cluster_role_binding, group, user};
use crate::tenant::Tenant;

/// CN of the certificate that the API server shows to kubelets (kubeadm's
/// `constants.APIServerKubeletClientCertCommonName`).
pub const KUBELET_CLIENT_USER: &str = "kube-apiserver-kubelet-client";

/// User name, and so the certificate's CN, in the Secret `NAME-kubeconfig`. It stays below the 64 characters
/// that X.509 allows a CN (RFC 5280, ub-common-name).
#[must_use]
pub fn admin_user_name(tenant: &Tenant) -> String {
    format!("nagaya:admin:{}", tenant.name)
}

pub(super) fn build_administration(tenant: &Tenant) -> Administration {
    Administration {
        kubeadm_cluster_admins: build_cluster_role_binding(
            "kubeadm:cluster-admins",
            ClusterRoleRef("cluster-admin"),
            vec![group("kubeadm:cluster-admins")],
        ),
        kubelet_client: build_cluster_role_binding(
            "kubeadm:apiserver-kubelet-client",
            ClusterRoleRef("system:kubelet-api-admin"),
            vec![user(KUBELET_CLIENT_USER)],
        ),
        admin: build_cluster_role_binding(
            "nagaya:admin",
            ClusterRoleRef("cluster-admin"),
            vec![user(&admin_user_name(tenant))],
        ),
    }
}
