//! RBAC objects in the shape in which kubeadm writes them.

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};

use super::manifest::{cluster_meta, meta};

const API_GROUP: &str = "rbac.authorization.k8s.io";

/// Group of every node that joins with a bootstrap token (kubeadm's `NodeBootstrapTokenAuthGroup`).
pub(crate) const NODE_TOKEN_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// Group of every joined node (kubeadm's `NodesGroup`).
pub(super) const NODES_GROUP: &str = "system:nodes";

pub(super) fn user(name: &str) -> Subject {
    subject("User", name)
}

pub(super) fn group(name: &str) -> Subject {
    subject("Group", name)
}

fn subject(kind: &str, name: &str) -> Subject {
    Subject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        // What the API server defaults it to. Without it, every apply would differ from what is stored.
        api_group: Some(API_GROUP.to_owned()),
        namespace: None,
    }
}

pub(super) fn service_account(namespace: &str, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        api_group: None,
        namespace: Some(namespace.to_owned()),
    }
}

/// Permission to read one ConfigMap.
pub(super) fn build_config_map_reader(namespace: &str, name: &str, config_map: &str) -> Role {
    Role {
        metadata: meta(namespace, name),
        rules: Some(vec![PolicyRule {
            resource_names: Some(vec![config_map.to_owned()]),
            ..rule("", &["configmaps"], &["get"])
        }]),
    }
}

/// Binds the Role of the same name and namespace.
pub(super) fn build_role_binding(
    namespace: &str,
    name: &str,
    subjects: Vec<Subject>,
) -> RoleBinding {
    RoleBinding {
        metadata: meta(namespace, name),
        role_ref: role_ref("Role", name),
        subjects: Some(subjects),
    }
}

pub(super) fn build_cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: cluster_meta(name), rules: Some(rules), ..ClusterRole::default() }
}

/// Name of the ClusterRole that a binding grants.
#[derive(Clone, Copy)]
pub(super) struct ClusterRoleRef<'a>(pub &'a str);

pub(super) fn build_cluster_role_binding(
    name: &str,
    role: ClusterRoleRef<'_>,
    subjects: Vec<Subject>,
) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: cluster_meta(name),
        role_ref: role_ref("ClusterRole", role.0),
        subjects: Some(subjects),
    }
}

pub(super) fn rule(api_group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    PolicyRule {
        api_groups: Some(vec![api_group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: API_GROUP.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}
