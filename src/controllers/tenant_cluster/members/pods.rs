//! What etcd's pods tell that etcd cannot: one that was refused its volume, and one whose etcd ends again and again.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use nagaya_api::labels;
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::names;
use nagaya_render::tenant::Tenant;

use super::Error;
use crate::controllers::Context;
use crate::kube_ops;

pub(super) async fn list(context: &Context, namespace: &str) -> Result<Vec<Pod>, Error> {
    let pods = Api::<Pod>::namespaced(context.manager.clients.planes.clone(), namespace);
    let of_etcd = format!("{}={}", labels::NAME, names::ETCD);
    Ok(kube_ops::list(&pods, &ListParams::default().labels(&of_etcd)).await?)
}

pub(super) fn is_looping(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter());
    containers.flatten().any(|container| {
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        waiting.and_then(|waiting| waiting.reason.as_deref()) == Some("CrashLoopBackOff")
    })
}

/// By how the admission ended last: one that was refused may have been let in since.
pub(super) fn is_emptied(pod: &Pod) -> bool {
    let admissions = pod.status.iter().flat_map(|status| status.init_container_statuses.iter());
    admissions.flatten().any(|container| {
        let (state, last) = (container.state.as_ref(), container.last_state.as_ref());
        let waits = state.is_some_and(|state| state.waiting.is_some());
        let end = state.and_then(|state| state.terminated.as_ref());
        let end = end.or_else(|| last.filter(|_| waits)?.terminated.as_ref());
        end.is_some_and(|end| end.exit_code == i32::from(names::EMPTY_VOLUME))
    })
}

pub(super) fn member_of(pod: &Pod) -> Option<u8> {
    names::member_ordinal(&pod.name_any())
}

/// A pod that was let onto its volume as the member before it is made anew: it is asked again only when it starts.
pub(super) async fn admit_anew(
    context: &Context,
    tenant: &Tenant,
    shape: &EtcdShape,
    looping: &[Pod],
) -> Result<(), Error> {
    let planes = context.manager.clients.planes.clone();
    let pods = Api::<Pod>::namespaced(planes, &tenant.plane_namespace);
    let joins = shape.joining.as_ref().map(|joining| joining.ordinal);
    for pod in looping.iter().filter(|pod| joins.is_some() && member_of(pod) == joins) {
        kube_ops::delete_with_grace(&pods, pod, 0).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_emptied_by(admission: &serde_json::Value) -> bool {
        let mut container = json!({
            "name": "admit-member", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        });
        for part in ["state", "lastState"] {
            container[part] = admission[part].clone();
        }
        let pod = json!({"status": {"initContainerStatuses": [container]}});
        is_emptied(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_member_that_has_been_let_in_since_is_no_lost_one() {
        let ended = |code: u8| json!({"terminated": {"exitCode": code}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert!(is_emptied_by(&json!({"state": ended(3)})));
        assert!(is_emptied_by(&json!({"state": waiting, "lastState": ended(3)})));
        assert!(!is_emptied_by(&json!({"state": ended(0), "lastState": ended(3)})));
        assert!(!is_emptied_by(&json!({"state": ended(1)})));
        assert!(!is_emptied_by(&json!({"state": {"running": {}}, "lastState": ended(3)})));
    }
}
