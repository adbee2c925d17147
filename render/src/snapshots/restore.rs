//! The way back to a snapshot: save what is there, stop everything, fill etcd's volume, start everything.
//!
//! Which of these it is follows from what runs. Until the Job has put the restored data into place, taking
//! `spec.restoreFrom` away brings everything back as it was.

use jiff::Timestamp;

use super::{JobState, PlaneJobs, RestoreJob, SnapshotGate, is_saved_before_restore};
use crate::plane::names::ETCD_RESTORE;
use crate::tenant::Tenant;
use crate::workloads::{Workload, Workloads};

/// How far a restore is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// None is asked for, or under way.
    None,
    /// What etcd holds now is saved first.
    Saving(SnapshotGate),
    /// These pods end; none: it begins.
    Stopping(Vec<String>),
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
            Self::Stopping(pods) => format!("waiting for pods {} to end", pods.join(", ")),
            Self::Filling { problem: None, .. } => "etcd is filled with the snapshot".to_owned(),
            Self::Filling { problem: Some(problem), .. } => {
                format!("etcd cannot be filled with the snapshot: {problem}")
            }
            Self::Filled(_) => "starting the control plane".to_owned(),
            Self::Abandoning(job) => format!("waiting for Job {job} to end"),
        }
    }
}

/// How far the restore is that the tenant asks for.
#[must_use]
pub fn restore_phase(
    tenant: &Tenant,
    workloads: &Workloads,
    jobs: &PlaneJobs,
    now: Timestamp,
) -> Phase {
    if let Some(phase) = jobs.restore.as_ref().and_then(|job| settled_by(job, tenant)) {
        return phase;
    }
    let etcd = workloads.etcd.as_ref();
    let is_to_stop = etcd.is_some_and(|etcd| etcd.desired == 0);
    let (restoring, others): (Vec<&String>, Vec<&String>) =
        jobs.running.iter().partition(|pod| pod.starts_with(ETCD_RESTORE));
    let Some(wanted) = &tenant.snapshots.restoring else {
        // The pod of a Job that was taken back may still be at work on the volume.
        let at_work = restoring.first().filter(|_| is_to_stop);
        return at_work.map_or(Phase::None, |pod| Phase::Abandoning((*pod).clone()));
    };
    if !is_to_stop {
        let gate = SnapshotGate::before_restore(wanted, tenant, jobs, now);
        let can_be_saved = etcd.is_some_and(Workload::serves);
        let waits = can_be_saved && !gate.is_open();
        return if waits { Phase::Saving(gate) } else { Phase::Stopping(Vec::new()) };
    }
    if !others.is_empty() || !etcd.is_some_and(|etcd| etcd.rolled_out) {
        return Phase::Stopping(others.into_iter().cloned().collect());
    }
    let problem = jobs.restore.as_ref().and_then(|job| match &job.state {
        JobState::Failed { why, .. } => Some(format!(
            "{why}; nothing was changed: delete Job {} to have it tried again, name another snapshot in \
             spec.restoreFrom, or take it away and everything starts as it was",
            job.name
        )),
        JobState::Running(problem) => problem.clone(),
        JobState::Succeeded(_) => None,
    });
    let keep_old = !is_saved_before_restore(wanted, tenant, now);
    Phase::Filling { problem, keep_old }
}

/// What a Job that is there decides alone; `None`: it is the one that is wanted, and not done.
fn settled_by(job: &RestoreJob, tenant: &Tenant) -> Option<Phase> {
    let snapshots = &tenant.snapshots;
    let is_wanted = snapshots.restoring.as_ref() == Some(&job.snapshot);
    let is_on_record = snapshots.restored.as_ref() == Some(&job.snapshot);
    match &job.state {
        JobState::Succeeded(_) if is_on_record && snapshots.restoring.is_none() => {
            Some(Phase::None)
        }
        // Whatever is wanted by now, it is what etcd holds.
        JobState::Succeeded(_) if !is_on_record => Some(Phase::Filled(job.snapshot.clone())),
        _ if is_wanted => None,
        // It may be about to put the data into place, and cannot be stopped half-way.
        JobState::Running(None) => Some(Phase::Filling { problem: None, keep_old: false }),
        _ => Some(Phase::Abandoning(job.name.clone())),
    }
}
