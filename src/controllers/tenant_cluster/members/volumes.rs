//! Volumes of members that are gone: whoever joins in their place must not find one.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use nagaya_api::labels;
use nagaya_render::membership::{EtcdShape, EtcdView};
use nagaya_render::plane::names;
use nagaya_render::tenant::Tenant;

use super::{Error, Observed, Progress, target};
use crate::controllers::Context;
use crate::kube_ops;

/// Lets go of the volumes of members that are gone, before their pods are: from then on nobody would know of them.
/// Kubernetes keeps a claim until its pod has ended.
pub async fn release_volumes(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    observed: &Observed,
) -> Result<(), Error> {
    let etcd = observed.workloads.etcd.as_ref();
    if etcd.is_none_or(|etcd| etcd.desired <= i32::from(shape.replicas)) {
        return Ok(());
    }
    release_beyond(context, tenant, shape).await.map(drop)
}

/// Whether a member that is to join would find the volume of another one, such as of before a restore: it goes first.
pub(super) async fn has_stale_volumes(
    context: &Context,
    tenant: &Tenant,
    progress: &Progress,
    observed: &Observed,
) -> Result<bool, Error> {
    let view = observed.members.seen.as_ref().map(|seen| &seen.look.view);
    let is_known = matches!(view, Some(EtcdView::Quorum(_)));
    let shape = &progress.members;
    if usize::from(target(tenant)) <= shape.members.len() {
        return Ok(false);
    }
    // Before the first look nobody knows whose volumes there are.
    Ok(!is_known || release_beyond(context, tenant, shape).await?)
}

/// Whether there were claims of other members than those that have pods.
async fn release_beyond(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
) -> Result<bool, Error> {
    let claims = claims(context, tenant);
    let stale = beyond(&claims, shape.replicas).await?;
    for claim in stale.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        kube_ops::delete(&claims, claim).await?;
    }
    Ok(!stale.is_empty())
}

fn claims(context: &Context, tenant: &Tenant) -> Api<PersistentVolumeClaim> {
    Api::namespaced(context.manager.clients.planes.clone(), &tenant.plane_namespace)
}

/// Claims of other members than the first ones.
async fn beyond(
    claims: &Api<PersistentVolumeClaim>,
    first: u8,
) -> Result<Vec<PersistentVolumeClaim>, Error> {
    let of_etcd = format!("{}={}", labels::NAME, names::ETCD);
    let mut found = kube_ops::list(claims, &ListParams::default().labels(&of_etcd)).await?;
    found.retain(|claim| {
        let name = claim.name_any();
        let ordinal = name.strip_prefix("data-etcd-").and_then(|rest| rest.parse::<u8>().ok());
        ordinal.is_some_and(|ordinal| ordinal >= first)
    });
    Ok(found)
}
