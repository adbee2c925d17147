//! Why a workload is not ready, in words: what its pods say. Looked at only while something is not ready.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use nagaya_api::labels;
use nagaya_render::plane::names;
use nagaya_render::workloads::{Workload, Workloads};

use super::Error;
use crate::kube_ops;

/// Longest piece of a container's last words that is repeated in a condition, in characters.
const LAST_WORDS: usize = 400;

/// Adds to every workload that exists and is not settled what keeps its pods from being ready.
pub async fn explain(
    planes: &Client,
    namespace: &str,
    workloads: &mut Workloads,
) -> Result<(), Error> {
    let Workloads { etcd, api_server, controller_manager, scheduler } = workloads;
    let mut silent: Vec<(&str, &mut Workload)> = [
        (names::ETCD, etcd),
        (names::API_SERVER, api_server),
        (names::CONTROLLER_MANAGER, controller_manager),
        (names::SCHEDULER, scheduler),
    ]
    .into_iter()
    .filter_map(|(name, workload)| Some((name, workload.as_mut()?)))
    .filter(|(_, workload)| !workload.is_settled())
    .collect();
    if silent.is_empty() {
        return Ok(());
    }
    let pods = Api::<Pod>::namespaced(planes.clone(), namespace);
    let found = kube_ops::list(&pods, &ListParams::default()).await?;
    for (name, workload) in &mut silent {
        workload.problem = found
            .iter()
            .filter(|pod| pod.labels().get(labels::NAME).is_some_and(|value| value == name))
            .find_map(problem);
    }
    Ok(())
}

/// What keeps a pod from running.
pub(super) fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    containers.filter(|container| !container.ready).find_map(container_problem).or_else(|| {
        let unschedulable =
            status.conditions.iter().flatten().find(|condition| {
                condition.type_ == "PodScheduled" && condition.status == "False"
            })?;
        Some(format!(
            "pod {} cannot be scheduled: {}",
            pod.name_any(),
            unschedulable.message.as_deref()?
        ))
    })
}

/// `ContainerCreating` and `PodInitializing` are no problems, and neither is a container that waits its turn.
fn container_problem(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if matches!(reason, "ContainerCreating" | "PodInitializing") {
        return None;
    }
    let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let words = last
        .and_then(|last| last.message.as_deref())
        .or(waiting.message.as_deref())
        .unwrap_or_default()
        .trim();
    let cut = words.char_indices().rev().nth(LAST_WORDS).map_or(0, |(index, _)| index);
    Some(format!("container {} is in {reason}: {}", container.name, &words[cut..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "reads better with json! at the call")]
    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(
            serde_json::json!({"metadata": {"name": "etcd-0"}, "status": status}),
        )
        .unwrap()
    }

    #[test]
    fn a_crashing_container_says_its_last_words() {
        let crashing = pod(serde_json::json!({"containerStatuses": [{
            "name": "etcd", "ready": false, "restartCount": 3, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"exitCode": 1, "message": "member not found\n"}},
        }]}));
        assert_eq!(
            problem(&crashing).unwrap(),
            "container etcd is in CrashLoopBackOff: member not found"
        );
    }

    #[test]
    fn a_container_that_is_being_created_is_no_problem() {
        let starting = pod(serde_json::json!({"containerStatuses": [{
            "name": "etcd", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "ContainerCreating"}},
        }]}));
        assert_eq!(problem(&starting), None);
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let pending = pod(serde_json::json!({"conditions": [{
            "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available",
        }]}));
        assert_eq!(
            problem(&pending).unwrap(),
            "pod etcd-0 cannot be scheduled: 0/1 nodes are available"
        );
    }
}
