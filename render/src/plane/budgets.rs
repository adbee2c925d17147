//! How many replicas of a component may be taken away at once, by a drain or an autoscaler.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{names, pod};
use crate::membership::EtcdShape;
use crate::tenant::Tenant;

/// None of two: both are the quorum. There are two only on the way between one and three.
pub(super) fn build_etcd_budget(
    tenant: &Tenant,
    members: &EtcdShape,
) -> Option<PodDisruptionBudget> {
    let at_once = i32::from(members.replicas > 2);
    build_budget(tenant, names::ETCD, i32::from(members.replicas), at_once)
}

/// One at a time.
pub(super) fn build_api_server_budget(tenant: &Tenant) -> Option<PodDisruptionBudget> {
    build_budget(tenant, names::API_SERVER, tenant.api_server_replicas, 1)
}

/// `None` for a single replica: a budget would only keep its node from being drained.
fn build_budget(
    tenant: &Tenant,
    component: &str,
    replicas: i32,
    at_once: i32,
) -> Option<PodDisruptionBudget> {
    (replicas > 1).then(|| PodDisruptionBudget {
        metadata: pod::metadata(tenant, component, component),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(at_once)),
            selector: Some(pod::label_selector(component)),
            // A replica that does not get ready anyway must not keep its node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
