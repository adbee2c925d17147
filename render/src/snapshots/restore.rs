//! The way back to a snapshot: save what is there, stop everything, fill etcd's volume, start everything.
//!
//! Which of these it is follows from what runs. Until the Job has put the restored data into place, taking
//! `spec.restoreFrom` away brings everything back as it was.

use jiff::Timestamp;

use super::{JobState, PlaneJobs, SnapshotGate, is_taken, reason_before};
use crate::tenant::Tenant;
use crate::workloads::{Workload, Workloads};

/// How far a restore is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// None is asked for, or under way.
    None,
    /// What etcd holds now is saved first.
    Saving(SnapshotGate),
    /// Pods end; in words, which.
    Stopping(String),
    /// The volume is filled.
    Filling {
        /// What keeps it, when known.
        problem: Option<String>,
        /// No snapshot of what etcd held could be taken: its files are kept.
        keep_old: bool,
    },
    /// The volume holds the snapshot: to be put on record, and everything started.
    Filled(String),
    /// Another snapshot, or none, is wanted than the Job at work restores: it has to end first.
    Abandoning(String),
}

impl Phase {
    /// Whether nothing of the plane may run.
    #[must_use]
    pub fn stops_plane(&self) -> bool {
        matches!(self, Self::Stopping(_) | Self::Filling { .. } | Self::Abandoning(_))
    }

    /// Whether the tenant is on its way to a snapshot.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        *self != Self::None
    }

    /// What is waited for.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Saving(gate) => format!("saving what etcd holds now: {}", gate.words()),
            Self::Stopping(pods) if pods.is_empty() => "stopping the control plane".to_owned(),
            Self::Stopping(pods) => format!("waiting for {pods} to end"),
            Self::Filling { problem: None, .. } => "etcd is filled with the snapshot".to_owned(),
            Self::Filling { problem: Some(problem), .. } => {
                format!("etcd cannot be filled with the snapshot: {problem}")
            }
            Self::Filled(_) => "starting the control plane".to_owned(),
            Self::Abandoning(job) => format!("waiting for Job {job} to end"),
        }
    }
}

/// The operation that a restore is, for [`SnapshotGate::before`].
fn operation(snapshot: &str) -> String {
    format!("the restore of {snapshot}")
}

/// How far the restore is that the tenant asks for.
#[must_use]
pub fn restore_phase(
    tenant: &Tenant,
    workloads: &Workloads,
    jobs: &PlaneJobs,
    now: Timestamp,
) -> Phase {
    let wanted = tenant.snapshots.restoring.as_ref();
    if let Some(job) = &jobs.restore {
        let is_recorded = tenant.snapshots.restored.as_ref() == Some(&job.snapshot);
        match (&job.state, wanted) {
            (JobState::Succeeded(_), Some(wanted)) if *wanted == job.snapshot => {
                return Phase::Filled(job.snapshot.clone());
            }
            (_, Some(wanted)) if *wanted == job.snapshot => {}
            (JobState::Succeeded(_), None) if is_recorded => return Phase::None,
            _ => return Phase::Abandoning(job.name.clone()),
        }
    }
    let etcd = workloads.etcd.as_ref();
    let is_stopped = etcd.is_some_and(|etcd| etcd.desired == 0 && etcd.rolled_out);
    let Some(wanted) = wanted else {
        // The pod of a Job that was taken back may still be at work on the volume.
        let at_work =
            jobs.running.iter().find(|pod| pod.starts_with(crate::plane::names::ETCD_RESTORE));
        return match at_work {
            Some(pod) if is_stopped => Phase::Abandoning(pod.clone()),
            _ => Phase::None,
        };
    };
    let operation = operation(wanted);
    if etcd.is_none_or(|etcd| etcd.desired > 0) {
        let gate = SnapshotGate::before(&operation, tenant, jobs, now);
        if etcd.is_some_and(Workload::serves) && !gate.is_open() {
            return Phase::Saving(gate);
        }
        return Phase::Stopping(String::new());
    }
    if !is_stopped {
        return Phase::Stopping(String::new());
    }
    let others: Vec<&str> = jobs
        .running
        .iter()
        .map(String::as_str)
        .filter(|pod| !pod.starts_with(crate::plane::names::ETCD_RESTORE))
        .collect();
    if !others.is_empty() {
        return Phase::Stopping(format!("pods {}", others.join(", ")));
    }
    let problem = jobs.restore.as_ref().and_then(|job| match &job.state {
        JobState::Failed { why, .. } => Some(format!(
            "{why}; nothing was changed: name another snapshot in spec.restoreFrom, or take it away and \
             everything starts as it was"
        )),
        JobState::Running(problem) => problem.clone(),
        JobState::Succeeded(_) => None,
    });
    let saved = is_taken(tenant, &reason_before(&operation), now);
    Phase::Filling { problem, keep_old: !saved }
}
