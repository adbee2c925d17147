//! Whose control plane this is: found by labels, adopted only under Retain or by explicit consent.

use nagaya_api::{TenantCluster, labels};

use super::{Refusal, Surroundings};
use crate::plane;
use crate::plane_record::PlaneRecord;

/// The tenant's identity and the plane that belongs to it.
pub(super) struct Owner<'a> {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub plane_namespace: String,
    pub record: Option<&'a PlaneRecord>,
}

pub(super) fn check<'a>(
    raw: &TenantCluster,
    around: Surroundings<'a>,
) -> Result<Owner<'a>, Refusal> {
    let meta = &raw.metadata;
    let (Some(name), Some(namespace), Some(uid)) =
        (meta.name.clone(), meta.namespace.clone(), meta.uid.clone())
    else {
        return Err(Refusal::new("metadata", "the object has no name, namespace or UID"));
    };
    if !around.project_enabled {
        return Err(Refusal::new(
            "metadata.namespace",
            format!(
                "namespace {namespace} is not enabled for Nagaya; the operator enables it with: \
                 kubectl label namespace {namespace} {}={}",
                labels::PROJECT,
                labels::PROJECT_ENABLED
            ),
        ));
    }
    let record = match around.planes {
        [] => {
            refuse_if_lost(raw)?;
            None
        }
        [one] => Some(one),
        several => {
            let names: Vec<&str> = several.iter().map(|plane| plane.namespace.as_str()).collect();
            return Err(Refusal::new(
                "metadata.name",
                format!(
                    "namespaces {} are all labelled as this tenant's control plane; remove the label {} \
                     from all but the right one",
                    names.join(", "),
                    labels::TENANT_NAME
                ),
            ));
        }
    };
    if let Some(record) = record {
        may_adopt(raw, &uid, record)?;
    }
    let plane_namespace = record.map_or_else(
        || plane::plane_namespace_name(&namespace, &name),
        |record| record.namespace.clone(),
    );
    Ok(Owner { name, namespace, uid, plane_namespace, record })
}

fn may_adopt(raw: &TenantCluster, uid: &str, record: &PlaneRecord) -> Result<(), Refusal> {
    if record.terminating {
        return Err(being_deleted(raw, &record.namespace));
    }
    let consent = raw.metadata.annotations.as_ref().and_then(|all| all.get(labels::ADOPT));
    let owner = record.owner_uid.as_deref().unwrap_or("unknown");
    if owner == uid || record.retained || consent.is_some_and(|consent| consent == owner) {
        return Ok(());
    }
    Err(Refusal::new(
        "metadata.name",
        format!(
            "control-plane namespace {} belongs to another TenantCluster of this name (UID {owner}); to take \
             it over with its data, annotate this object with {}={owner}",
            record.namespace,
            labels::ADOPT
        ),
    ))
}

fn being_deleted(raw: &TenantCluster, namespace: &str) -> Refusal {
    let is_own = raw.status.as_ref().is_some_and(|status| status.control_plane_namespace.is_some());
    if is_own {
        return Refusal::new(
            "status.controlPlaneNamespace",
            format!(
                "the control-plane namespace {namespace} is being deleted by somebody, and with it the \
                 cluster's keys and data"
            ),
        );
    }
    Refusal::new(
        "metadata.name",
        format!(
            "namespace {namespace}, the control plane of an earlier TenantCluster of this name, is still being \
             deleted; this one is made as soon as it is gone"
        ),
    )
}

/// A control plane that was deleted behind our back took its PKI and etcd along: an empty twin under the
/// same name would look healthy and know none of the nodes.
fn refuse_if_lost(raw: &TenantCluster) -> Result<(), Refusal> {
    let Some(lost) = raw.status.as_ref().and_then(|status| status.control_plane_namespace.as_ref())
    else {
        return Ok(());
    };
    Err(Refusal::new(
        "status.controlPlaneNamespace",
        format!(
            "the control-plane namespace {lost} was deleted by somebody, and with it the cluster's keys and \
             data; restore it from a backup, or delete this TenantCluster and create it again (its nodes have \
             to join again)"
        ),
    ))
}
