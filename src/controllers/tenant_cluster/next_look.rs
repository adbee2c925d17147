//! When a tenant is looked at again if nothing wakes it before.

use std::time::Duration;

use jiff::Timestamp;
use nagaya_api::{TenantClusterStatus, conditions, reasons};
use nagaya_render::validate::OldestKubelet;

use super::observe::Observed;

/// What changes outside the watches (a pod's problem) is seen at the latest after this, where there are no keys to be read again.
pub const RESYNC: Duration = Duration::from_mins(10);
/// While something is not ready, pods are looked at this often for what keeps them.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// While its pods are well and only its own API server keeps a tenant from being Ready: whoever hears of that one wakes.
const LOOK_ON: Duration = Duration::from_mins(1);
/// How often a tenant that waits for its turn asks again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// `due`: what has its time.
pub fn next_look(
    observed: &Observed,
    status: &TenantClusterStatus,
    due: [Option<Timestamp>; 4],
    now: Timestamp,
) -> Duration {
    let is_true = |kind| conditions::is_true(&status.conditions, kind);
    let reconciling = status.conditions.iter().find(|one| one.type_ == conditions::RECONCILING);
    let reconciling = reconciling.map(|condition| condition.reason.as_str());
    let at_rest = is_true(conditions::READY) && !is_true(conditions::RECONCILING);
    let unanswered = matches!(observed.oldest_kubelet, OldestKubelet::Unknown(_));
    let waits_for_tenant = !unanswered
        && reconciling.is_none_or(|reason| reason == reasons::PROGRESSING)
        && !is_true(conditions::STALLED)
        && observed.workloads.are_settled();
    let usual = match (is_true(conditions::READY), at_rest && !unanswered) {
        (true, _) if reconciling == Some(reasons::WAITING_TO_ROLL) => ASK_AGAIN,
        // The watch tells of an address; what else is said of the Service, Events tell.
        (_, false) if reconciling == Some(reasons::LOAD_BALANCER_PENDING) => ASK_AGAIN,
        (_, true) => RESYNC,
        (false, _) if waits_for_tenant => LOOK_ON,
        _ => LOOK_AGAIN,
    };
    let until = |due: Timestamp| Duration::try_from(due.duration_since(now)).unwrap_or_default();
    due.into_iter().flatten().map(|due| until(due).max(LOOK_AGAIN)).fold(usual, Duration::min)
}
