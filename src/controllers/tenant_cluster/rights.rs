//! The manager's own rights: a RoleBinding in the plane and one in the project.

use std::time::Duration;

use futures::future::join;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, ResourceExt};
use nagaya_render::rights::build_project_role_binding;
use nagaya_render::tenant::Tenant;
use tokio::time::sleep;

use super::Error;
use super::bounded_client::{BoundedClient, apply_one};
use crate::controllers::Context;
use crate::keyring;
use crate::kube_ops::{self, Applied};

/// A new RoleBinding works once the API server's own cache has seen it.
const RIGHTS_TAKE_AT_MOST: Duration = Duration::from_secs(5);
/// Usually that takes less.
const RIGHTS_USUALLY_TAKE: Duration = Duration::from_millis(25);

/// Returns whether the manager has been given rights just now, a moment later if so. In a project that is not enabled any more it takes
/// none.
pub async fn apply_rights(
    context: &Context,
    planes: &BoundedClient<'_>,
    tenant: &Tenant,
    in_plane: &RoleBinding,
    project_enabled: bool,
) -> Result<bool, Error> {
    let in_project = build_project_role_binding(&tenant.namespace);
    let projects = BoundedClient::of_projects(context, tenant);
    let (plane, project) =
        join(apply_one(planes, &context.caches.role_bindings, in_plane), async {
            if !project_enabled {
                return Ok(Applied::Unchanged);
            }
            apply_one(&projects, &context.caches.project_role_bindings, &in_project).await
        })
        .await;
    let are_new = matches!(plane?, Applied::Written(_)) | matches!(project?, Applied::Written(_));
    if are_new {
        sleep(RIGHTS_USUALLY_TAKE).await;
    }
    Ok(are_new)
}

/// Gives back the rights in every project that the operator has enabled no longer. The policy
/// `nagaya-manager-role-bindings` lets none be taken again.
pub async fn give_back(context: &Context) {
    let caches = &context.caches;
    let disabled = |project: &str| !caches.project_enabled(project);
    for binding in caches.project_role_bindings.in_namespaces(disabled) {
        let project = binding.namespace().unwrap_or_default();
        let client = context.manager.clients.projects.clone();
        let all = Api::<RoleBinding>::namespaced(client, &project);
        match kube_ops::delete(&all, &binding).await {
            Ok(()) => tracing::info!(project, "gave back the rights in a project that is disabled"),
            Err(error) => tracing::warn!(project, %error, "cannot give back rights in a project"),
        }
    }
}

/// Repeats what is forbidden for as long as new rights take to reach the API server's authorizer.
pub async fn permitted<T, F>(new_rights: bool, work: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = tokio::time::Instant::now();
    loop {
        match work().await {
            Err(error)
                if new_rights
                    && is_forbidden(&error)
                    && started.elapsed() < RIGHTS_TAKE_AT_MOST =>
            {
                sleep(RIGHTS_USUALLY_TAKE).await;
            }
            done => return done,
        }
    }
}

fn is_forbidden(error: &Error) -> bool {
    match error {
        Error::Call(error) | Error::Keys(keyring::Error::Call(error)) => error.is_forbidden(),
        _ => false,
    }
}
