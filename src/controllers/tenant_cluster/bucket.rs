//! The credentials of a bucket for snapshots: from the tenant's namespace to its control plane's, where a Job's pod
//! can mount them.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use nagaya_render::plane::build_bucket_secret;
use nagaya_render::tenant::Tenant;

use super::Error;
use crate::controllers::Context;
use crate::kube_ops;

/// With each Job, so that what was corrected counts at the next attempt. In a project that is not enabled any more
/// nothing is read; what was brought before goes on.
pub async fn bring_credentials(
    context: &Context,
    tenant: &Tenant,
    project_enabled: bool,
) -> Result<(), Error> {
    let Some(bucket) = tenant.snapshots.bucket.as_ref().filter(|_| project_enabled) else {
        return Ok(());
    };
    let clients = &context.manager.clients;
    let given = Api::<Secret>::namespaced(clients.projects.clone(), &tenant.namespace);
    let given = kube_ops::get(&given, &bucket.secret).await?;
    let secrets = Api::<Secret>::namespaced(clients.planes.clone(), &tenant.plane_namespace);
    let copy = build_bucket_secret(tenant, given.as_ref());
    let live = kube_ops::get(&secrets, &copy.name_any()).await?;
    kube_ops::apply(&secrets, live.as_ref(), &copy).await?;
    Ok(())
}
