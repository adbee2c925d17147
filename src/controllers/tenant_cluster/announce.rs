//! The announce step: what a pass changed in the status, as Events for `kubectl describe`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use nagaya_api::{TenantCluster, TenantClusterStatus, conditions as types, reasons};

use crate::controllers::Context;

/// What the reporting controller was doing (`action` of `events.k8s.io/v1`).
const ACTION: &str = "Reconcile";
/// Reasons of a normal life on the way to True.
const NORMAL: [&str; 8] = [
    reasons::PROVISIONING,
    reasons::LOAD_BALANCER_PENDING,
    reasons::PROGRESSING,
    reasons::SCALING,
    reasons::UPGRADING,
    reasons::RESTORING,
    reasons::WAITING_TO_ROLL,
    reasons::DELETING,
];

/// Publishes what is new in `status`. Not to be able to is no failure of the pass.
pub async fn announce(context: &Context, raw: &TenantCluster, status: &TenantClusterStatus) {
    let before = raw.status.as_ref().map_or(&[][..], |before| &before.conditions);
    let events = &context.manager.events;
    let about = raw.object_ref(&());
    for condition in news(before, &status.conditions) {
        let Condition { reason, message, .. } = condition;
        if is_normal(condition) {
            events.normal(&about, reason, ACTION, message).await;
        } else {
            events.warning(&about, reason, ACTION, message).await;
        }
    }
}

/// A member of etcd was defragmented.
pub async fn defragmented(context: &Context, raw: &TenantCluster, ordinal: u8) {
    let note = format!("etcd-{ordinal} was defragmented");
    context
        .manager
        .events
        .normal(&raw.object_ref(&()), reasons::DEFRAGMENTED, "Defragment", &note)
        .await;
}

/// Every turn of Ready, and whatever newly keeps a tenant from what its spec says; what Ready says is not said twice.
fn news<'a>(before: &[Condition], now: &'a [Condition]) -> Vec<&'a Condition> {
    let is_new = |one: &&Condition| {
        !before.iter().any(|old| {
            old.type_ == one.type_ && old.status == one.status && old.reason == one.reason
        })
    };
    let ready = now.iter().find(|one| one.type_ == types::READY);
    let is_told = |one: &&Condition| match one.type_.as_str() {
        types::READY | types::NODES_CUT_OFF | types::CONNECTIONS_LIMITED => true,
        types::STALLED | types::RECONCILING => {
            let is_said = ready.is_some_and(|ready| ready.reason == one.reason);
            let is_step = one.reason == reasons::UPGRADING || one.reason == reasons::RESTORING;
            !is_said && (!is_normal(one) || is_step)
        }
        types::SNAPSHOTS_READY => one.status == "False",
        _ => false,
    };
    now.iter().filter(is_new).filter(is_told).collect()
}

fn is_normal(condition: &Condition) -> bool {
    let well = match condition.type_.as_str() {
        types::READY => condition.status == "True",
        types::NODES_CUT_OFF => condition.status == "False",
        _ => false,
    };
    well || NORMAL.contains(&condition.reason.as_str())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }
    }

    fn told(before: &[Condition], now: &[Condition]) -> Vec<(String, bool)> {
        news(before, now).into_iter().map(|one| (one.reason.clone(), is_normal(one))).collect()
    }

    #[test]
    fn each_turn_of_ready_is_told_once() {
        let provisioning = [condition("Ready", "False", "Provisioning")];
        let joinable = [condition("Ready", "True", "Joinable")];
        let broken = [condition("Ready", "False", "ObjectMissing")];
        assert_eq!(told(&[], &provisioning), [("Provisioning".to_owned(), true)]);
        assert_eq!(told(&provisioning, &joinable), [("Joinable".to_owned(), true)]);
        assert_eq!(told(&joinable, &joinable), []);
        assert_eq!(told(&joinable, &broken), [("ObjectMissing".to_owned(), false)]);
    }

    #[test]
    fn what_blocks_is_told_once_and_not_again_when_only_its_words_change() {
        let blocked = |words: &str| {
            ["Ready", "Reconciling"].map(|kind| Condition {
                message: words.to_owned(),
                ..condition(kind, if kind == "Ready" { "False" } else { "True" }, "Unschedulable")
            })
        };
        let first = blocked("0/1 nodes are available");
        assert_eq!(told(&[], &first), [("Unschedulable".to_owned(), false)]);
        assert_eq!(told(&first, &blocked("0/2 nodes are available")), []);
    }

    #[test]
    fn nodes_that_are_cut_off_are_a_warning_and_their_return_is_none() {
        let gone = [condition("NodesCutOff", "True", "LeasesStale")];
        let back = [condition("NodesCutOff", "False", "NodesLookedAfter")];
        assert_eq!(told(&[], &gone), [("LeasesStale".to_owned(), false)]);
        assert_eq!(told(&gone, &gone), []);
        assert_eq!(told(&gone, &back), [("NodesLookedAfter".to_owned(), true)]);
    }

    #[test]
    fn what_is_in_the_way_is_a_warning_and_progress_is_none() {
        let progress = [condition("Reconciling", "True", "Progressing")];
        let foreign = [condition("Reconciling", "True", "KubeconfigForeign")];
        let refused = [condition("Stalled", "True", "Refused")];
        assert_eq!(told(&[], &progress), []);
        assert_eq!(told(&progress, &foreign), [("KubeconfigForeign".to_owned(), false)]);
        assert_eq!(told(&foreign, &refused), [("Refused".to_owned(), false)]);
        assert_eq!(told(&refused, &[]), []);
    }
}
