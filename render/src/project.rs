//! What Nagaya makes in a project namespace besides the Secrets it hands out: its own right to do so.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;

use crate::plane::names;

/// ClusterRole that the manager is bound to in each project namespace.
pub const PROJECT_ROLE: &str = "nagaya:project";

/// The manager's rights in the project namespace `project`, which the operator has enabled.
#[must_use]
pub fn build_project_role_binding(project: &str) -> RoleBinding {
    RoleBinding {
        metadata: ObjectMeta {
            name: Some(names::MANAGER_BINDING.to_owned()),
            namespace: Some(project.to_owned()),
            labels: Some([(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned())].into()),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: PROJECT_ROLE.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: names::MANAGER_SERVICE_ACCOUNT.to_owned(),
            namespace: Some(names::MANAGER_NAMESPACE.to_owned()),
            api_group: None,
        }]),
    }
}
