//! The manager's own rights: it binds itself to one role in each control plane and to one in each project.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;

use crate::plane::names;
use crate::tenant::Tenant;

/// ClusterRole that the manager is bound to in each project namespace.
pub const PROJECT_ROLE: &str = "nagaya:project";

/// The manager's rights in the project namespace `project`, which the operator has enabled.
#[must_use]
pub fn build_project_role_binding(project: &str) -> RoleBinding {
    let labels = [(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned())];
    build(project, labels.into(), PROJECT_ROLE)
}

/// The manager's rights in the control-plane namespace of `tenant`.
pub(crate) fn build_plane_role_binding(tenant: &Tenant) -> RoleBinding {
    let labels = tenant.labels(names::MANAGER_BINDING);
    build(&tenant.plane_namespace, labels, names::CONTROL_PLANE_ROLE)
}

fn build(namespace: &str, labels: BTreeMap<String, String>, role: &str) -> RoleBinding {
    RoleBinding {
        metadata: ObjectMeta {
            name: Some(names::MANAGER_BINDING.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: names::MANAGER_SERVICE_ACCOUNT.to_owned(),
            namespace: Some(names::MANAGER_NAMESPACE.to_owned()),
            api_group: None,
        }]),
    }
}
