//! Volumes of members that are gone: whoever joins in their place must not find one.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use nagaya_api::labels;
use nagaya_render::membership::{EtcdShape, EtcdView};
use nagaya_render::plane::names;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::tenant::Tenant;
use nagaya_render::workloads::Workload;

use super::{Error, Observed, Progress, ask_workload, target};
use crate::controllers::Context;
use crate::kube_ops::{self, annotate};

/// Notes how many members may have a volume, before there are more. What is noted is asked for, and not only seen: a late
/// watch must not have it become less.
pub async fn note_claims(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    observed: &Observed,
) -> Result<(), Error> {
    let Some(plane) = observed.planes.first() else { return Ok(()) };
    let pods = observed.workloads.etcd.as_ref().map_or(0, |etcd| etcd.desired);
    let most = u8::try_from(pods).unwrap_or(u8::MAX).max(shape.replicas).max(target(tenant));
    if most <= plane.etcd_claims {
        return Ok(());
    }
    let all = namespaces(context);
    match kube_ops::get(&all, &plane.namespace).await? {
        Some(live) if PlaneRecord::read(&live).etcd_claims < most => note(&all, &live, most).await,
        _ => Ok(()),
    }
}

/// Lets go of the volumes of members that are gone, once their pods are too: until then they may be wanted again. Whether
/// others have joined meanwhile is asked for, and not only seen.
pub async fn release_volumes(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    observed: &Observed,
) -> Result<(), Error> {
    let pods = i32::from(shape.replicas);
    let has_none_beyond = |etcd: &Workload| etcd.rolled_out && etcd.desired == pods;
    let are_gone = target(tenant) == shape.replicas
        && observed.workloads.etcd.as_ref().is_some_and(has_none_beyond);
    let are_noted = observed.planes.first().is_some_and(|one| one.etcd_claims > shape.replicas);
    if !are_noted || !are_gone || !are_known(observed) {
        return Ok(());
    }
    let (all, namespace) = (namespaces(context), &tenant.plane_namespace);
    let Some(live) = kube_ops::get(&all, namespace).await? else { return Ok(()) };
    if !ask_workload(context, namespace).await?.as_ref().is_some_and(has_none_beyond) {
        return Ok(());
    }
    release_beyond(context, tenant, shape).await?;
    note(&all, &live, shape.replicas).await
}

fn namespaces(context: &Context) -> Api<Namespace> {
    Api::all(context.manager.clients.planes.clone())
}

async fn note(all: &Api<Namespace>, live: &Namespace, claims: u8) -> Result<(), Error> {
    let value = (claims > 1).then(|| claims.to_string());
    let note = (labels::ETCD_CLAIMS, value.as_deref());
    Ok(annotate(all, live, "record how many volumes etcd has on", note).await?)
}

/// Whether a member that is to join would find the volume of another one, such as of before a restore: it goes first.
pub(super) async fn has_stale_volumes(
    context: &Context,
    tenant: &Tenant,
    progress: &Progress,
    observed: &Observed,
) -> Result<bool, Error> {
    let shape = &progress.members;
    if usize::from(target(tenant)) <= shape.members.len() {
        return Ok(false);
    }
    let etcd = observed.workloads.etcd.as_ref();
    let have_pods = etcd.is_some_and(|etcd| etcd.desired > i32::from(shape.replicas));
    Ok(have_pods || !are_known(observed) || release_beyond(context, tenant, shape).await?)
}

/// Before the first look, and with a member that is none of ours, nobody knows whose volumes there are.
fn are_known(observed: &Observed) -> bool {
    let view = observed.members.seen.as_ref().map(|seen| &seen.look.view);
    let Some(EtcdView::Quorum(members)) = view else { return false };
    members.iter().all(|member| member.ordinal.is_some())
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
        let ordinal = names::claim_ordinal(&claim.name_any());
        ordinal.is_some_and(|ordinal| ordinal >= first)
    });
    Ok(found)
}
