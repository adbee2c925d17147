//! What is said about saving and restoring etcd.

use nagaya_api::{conditions as types, reasons};

use super::{Findings, State, Verdict};
use crate::snapshots::{JobState, restore_phase};

/// Whether the last attempt to save etcd succeeded; `None`: there was none.
pub(super) fn taken(findings: &Findings<'_>) -> Option<Verdict> {
    let tenant = findings.tenant?;
    let failed = findings.jobs.snapshots.iter().find_map(|job| match &job.state {
        JobState::Failed { why, .. } => Some((job, why)),
        _ => None,
    });
    if let Some((job, why)) = failed {
        let words = format!("snapshot {} failed: {why}; another is taken", job.reason);
        return Some(Verdict::new(State::False, reasons::SNAPSHOT_FAILED, words));
    }
    let mut at_work = findings.jobs.snapshots.iter();
    if let Some(problem) = at_work.find_map(|job| job.stuck(findings.now)) {
        let words = format!("a snapshot cannot be taken: {problem}");
        return Some(Verdict::new(State::False, reasons::SNAPSHOT_STUCK, words));
    }
    let newest = tenant.snapshots.taken.last();
    // After a failure, until an attempt has succeeded.
    let failure = findings.before(types::SNAPSHOTS_READY).filter(|one| {
        one.status == "False"
            && newest.is_none_or(|newest| one.last_transition_time.0 > newest.time.0)
    });
    if let Some(failure) = failure {
        return Some(Verdict::new(State::False, reasons::SNAPSHOT_FAILED, &failure.message));
    }
    Some(Verdict::new(State::True, reasons::TAKEN, format!("the newest is {}", newest?.name)))
}

/// A restore that is under way.
pub(super) struct Restoring {
    /// The API is away.
    pub stopped: bool,
    pub words: String,
}

pub(super) fn restoring(findings: &Findings<'_>) -> Option<Restoring> {
    let tenant = findings.tenant.filter(|_| !findings.raw.spec.paused)?;
    let phase = restore_phase(tenant, findings.workloads, findings.jobs, findings.now);
    phase.is_under_way().then(|| {
        let snapshots = &tenant.snapshots;
        let of = snapshots.restoring.as_ref().map(|name| format!("restoring {name}: "));
        Restoring {
            stopped: phase.stops_plane(),
            words: format!("{}{}", of.unwrap_or_default(), phase.words()),
        }
    })
}
