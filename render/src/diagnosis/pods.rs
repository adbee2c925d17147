//! What a pod says of itself: no node, or a lost one, no image, no container, or one that crashes.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use super::last_words::last_error_line;
use super::{Blockage, Blocked, name_of};

/// A volume, a node or a ConfigMap that is just coming takes as long; what takes longer is told.
const USUAL: SignedDuration = SignedDuration::from_secs(5);
/// A container that has run for so long does not crash in a loop: kubelet starts its back-off anew too.
const RECOVERED: SignedDuration = SignedDuration::from_mins(10);
/// What kubelet says of an image that it cannot get (`pkg/kubelet/images/types.go`).
const NO_IMAGE: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "ImageInspectError",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// What is no problem: everything is on its way.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What keeps a pod from running, if anything.
#[must_use]
pub fn judge(pod: &Pod, now: Timestamp) -> Option<Blocked> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    containers
        .filter(|container| !container.ready)
        .find_map(|container| of_container(pod, container, now))
        .map(|blockage| Blocked::new(blockage, since(status, "ContainersReady")))
        // What the pod names is made beside it.
        .filter(|blocked| !is_new(blocked, now))
        .or_else(|| of_schedule(pod, status, now))
        .or_else(|| of_node(pod, status, now))
}

/// What keeps a pod from ending, if anything: nobody does on a lost node, which the management cluster evicts pods from
/// after five minutes.
pub(super) fn judge_ending(pod: &Pod, now: Timestamp) -> Option<Blocked> {
    let due = pod.metadata.deletion_timestamp.as_ref()?.0;
    of_node(pod, pod.status.as_ref()?, now).filter(|_| now.duration_since(due) >= USUAL)
}

/// The management cluster takes the pods of a node that is not ready, or renews no Lease, for not ready, and leaves what
/// kubelet said last of their containers (`pkg/controller/util/node`, `MarkPodsNotReady`).
fn of_node(pod: &Pod, status: &PodStatus, now: Timestamp) -> Option<Blocked> {
    let containers = status.container_statuses.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let marked = conditions.any(|one| one.type_ == "Ready" && one.status == "False");
    let well = !containers.is_empty() && containers.iter().all(|container| container.ready);
    let node = pod.spec.as_ref()?.node_name.clone().filter(|_| marked && well)?;
    let blockage = Blockage::NodeLost { pod: name_of(&pod.metadata), node };
    Some(Blocked::new(blockage, since(status, "Ready"))).filter(|blocked| !is_new(blocked, now))
}

fn of_schedule(pod: &Pod, status: &PodStatus, now: Timestamp) -> Option<Blocked> {
    let mut conditions = status.conditions.iter().flatten();
    let unscheduled =
        conditions.find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    let since = since(status, "PodScheduled");
    let message = unscheduled.message.as_deref()?;
    // What follows says that evicting others would not help either.
    let why = message.split(" preemption: ").next().unwrap_or(message).to_owned();
    let blockage = Blockage::Unschedulable { pod: name_of(&pod.metadata), why };
    Some(Blocked::new(blockage, since)).filter(|blocked| !is_new(blocked, now))
}

fn is_new(blocked: &Blocked, now: Timestamp) -> bool {
    let passes = matches!(
        blocked.blockage,
        Blockage::Unschedulable { .. }
            | Blockage::ContainerRefused { .. }
            | Blockage::NodeLost { .. }
    );
    passes && blocked.since.is_some_and(|since| now.duration_since(since) < USUAL)
}

/// Both the pause and the next attempt of a container that crashes are the same news.
fn of_container(pod: &Pod, status: &ContainerStatus, now: Timestamp) -> Option<Blockage> {
    let state = status.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let (name, container) = (name_of(&pod.metadata), status.name.clone());
    if NO_IMAGE.contains(&reason) {
        let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or(reason);
        // The pause repeats the failure behind this word.
        let why = message.rsplit("ErrImagePull: ").next().unwrap_or(message).to_owned();
        let image = status.image.clone();
        return Some(Blockage::ImageUnavailable { pod: name, container, image, why });
    }
    let started = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    let recovered = started.is_some_and(|time| now.duration_since(time.0) >= RECOVERED);
    if reason == "CrashLoopBackOff" || (status.restart_count >= 2 && !recovered) {
        return crash(pod, status);
    }
    let why = waiting.filter(|_| !reason.is_empty() && !STARTING.contains(&reason))?;
    let why = why.message.clone().unwrap_or_else(|| reason.to_owned());
    Some(Blockage::ContainerRefused { pod: name, container, why })
}

fn crash(pod: &Pod, status: &ContainerStatus) -> Option<Blockage> {
    let of = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.as_ref().and_then(|state| state.terminated.clone())
    };
    let last = of(&status.state).or_else(|| of(&status.last_state))?;
    let how = match last.reason.as_deref() {
        Some("OOMKilled") => "OOMKilled: it needs more memory than its limit".to_owned(),
        _ => format!("exit code {}", last.exit_code),
    };
    Some(Blockage::CrashLoop {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        pod: name_of(&pod.metadata),
        container: status.name.clone(),
        how,
        words: last.message.as_deref().and_then(last_error_line),
    })
}

/// When a condition of the pod changed last: a restart does not change one that was False before.
fn since(status: &PodStatus, kind: &str) -> Option<Timestamp> {
    let mut conditions = status.conditions.iter().flatten();
    let condition = conditions.find(|one| one.type_ == kind && one.status == "False");
    let changed = condition.and_then(|one| one.last_transition_time.as_ref());
    changed.or(status.start_time.as_ref()).map(|time| time.0)
}
