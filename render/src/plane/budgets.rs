//! How many replicas of a component may be taken away at once, by a drain or an autoscaler.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod;
use crate::tenant::Tenant;

/// One at a time. `None` for a single replica: a budget would only keep its node from being drained.
pub(super) fn build_budget(
    tenant: &Tenant,
    component: &str,
    replicas: i32,
) -> Option<PodDisruptionBudget> {
    (replicas > 1).then(|| PodDisruptionBudget {
        metadata: pod::metadata(tenant, component, component),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(pod::label_selector(component)),
            // A replica that does not get ready anyway must not keep its node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
