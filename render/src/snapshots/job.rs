//! What a Job that takes or restores a snapshot, and its pod, say.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use nagaya_api::{Snapshot, labels};

use super::{STARTS, TRY_AGAIN};

/// Longest piece of a container's last words that is repeated, in characters.
pub const WORDS: usize = 400;

/// What nobody has to wait for.
pub(super) const WITHOUT: &str = "spec.snapshots.suspend: true goes on without";

/// How far a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// At work; what keeps its pod, when known.
    Running(Option<String>),
    /// Done; what there is now, if its pod could still say.
    Succeeded(Option<Vec<Snapshot>>),
    /// Given up.
    Failed {
        /// When.
        at: Timestamp,
        /// The last words of its pod.
        why: String,
    },
}

impl JobState {
    /// Reads a Job and those `pods` that are its own. `problem` is what keeps a pod from running, if anything.
    fn read(job: &Job, pods: &[&Pod], problem: impl Fn(&Pod) -> Option<String>) -> Self {
        let conditions = || job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let is = |kind: &str| conditions().find(|one| one.type_ == kind && one.status == "True");
        if is("Complete").is_some() {
            let told = pods.iter().flat_map(|pod| ends(pod)).filter(|end| end.exit_code == 0);
            let mut told = told.filter_map(|end| end.message.as_deref());
            return Self::Succeeded(told.find_map(|text| serde_json::from_str(text).ok()));
        }
        if let Some(failed) = is("Failed") {
            let words = pods.iter().flat_map(|pod| ends(pod)).filter(|end| end.exit_code != 0);
            let last = words.filter_map(|end| end.message.as_deref()).next_back();
            let why = last.or(failed.message.as_deref()).unwrap_or("no reason was given");
            let at = failed.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
            return Self::Failed { at, why: last_words(why) };
        }
        Self::Running(pods.iter().find_map(|pod| problem(pod)))
    }

    /// All that a Job tells of is where it has put its own: the pod's message has no room to say so for each.
    fn at(mut self, job: &Job) -> Self {
        let location = job.metadata.annotations.as_ref();
        let location = location.and_then(|all| all.get(labels::SNAPSHOT_LOCATION));
        if let Self::Succeeded(Some(held)) = &mut self {
            for one in held {
                one.location = location.cloned();
            }
        }
        self
    }
}

impl JobState {
    /// Of a snapshot: what to do where there is no room for it, though the oldest went first.
    fn or_full(self, job: &Job) -> Self {
        let annotations = job.metadata.annotations.as_ref();
        let in_a_bucket =
            annotations.is_some_and(|all| all.contains_key(labels::SNAPSHOT_LOCATION));
        let what_next = if in_a_bucket {
            "the node's disk is full, through which it goes: free some, or add nodes"
        } else {
            "the snapshots' volume is full: lower spec.snapshots.keep, or enlarge the volume claim etcd-snapshots"
        };
        match self {
            Self::Failed { at, why } if why.to_lowercase().contains("no space left on device") => {
                Self::Failed { at, why: format!("{why} ({what_next})") }
            }
            state => state,
        }
    }
}

/// How each container of a pod ended, in the order in which they run.
fn ends(pod: &Pod) -> impl DoubleEndedIterator<Item = &ContainerStateTerminated> {
    let status = pod.status.as_ref();
    let first = status.and_then(|status| status.init_container_statuses.as_deref());
    let then = status.and_then(|status| status.container_statuses.as_deref());
    let all = first.unwrap_or_default().iter().chain(then.unwrap_or_default());
    all.filter_map(|container| container.state.as_ref()?.terminated.as_ref())
}

fn last_words(text: &str) -> String {
    let text = text.trim();
    let cut = text.char_indices().rev().nth(WORDS).map_or(0, |(index, _)| index);
    text[cut..].to_owned()
}

/// A Job that takes a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotJob {
    /// Its name.
    pub name: String,
    /// What the snapshot is for.
    pub reason: String,
    /// When it was made.
    pub since: Timestamp,
    /// How far it is.
    pub state: JobState,
}

impl SnapshotJob {
    /// Reads a Job with its pods.
    #[must_use]
    pub fn read(job: &Job, pods: &[&Pod], problem: impl Fn(&Pod) -> Option<String>) -> Self {
        Self {
            name: job.metadata.name.clone().unwrap_or_default(),
            reason: annotation(job, labels::SNAPSHOT_REASON),
            since: job
                .metadata
                .creation_timestamp
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |at| at.0),
            state: JobState::read(job, pods, problem).or_full(job).at(job),
        }
    }

    /// Whether it can go: its result is on record, nobody can tell it any more, or it was there long enough to be
    /// looked at.
    pub(super) fn is_finished(&self, on_record: &[Snapshot], now: Timestamp) -> bool {
        match &self.state {
            JobState::Running(_) => false,
            JobState::Succeeded(None) => true,
            JobState::Succeeded(Some(held)) => name_of_newest(held) == name_of_newest(on_record),
            JobState::Failed { .. } => self.try_again_at().is_none_or(|at| at <= now),
        }
    }

    /// What keeps it, if it takes longer than a pod needs to start.
    pub(crate) fn stuck(&self, now: Timestamp) -> Option<&str> {
        match &self.state {
            JobState::Running(Some(problem)) if now.duration_since(self.since) > STARTS => {
                Some(problem)
            }
            _ => None,
        }
    }

    /// When another attempt may be made.
    pub(super) fn try_again_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Failed { at, .. } => at.checked_add(TRY_AGAIN).ok(),
            _ => None,
        }
    }

    /// What whoever needs a snapshot waits for.
    pub(super) fn waits_for(&self) -> Option<String> {
        match &self.state {
            JobState::Running(None) => Some("a snapshot of etcd is being taken".to_owned()),
            JobState::Running(Some(problem)) => {
                Some(format!("a snapshot of etcd is being taken: {problem} ({WITHOUT})"))
            }
            JobState::Failed { why, .. } => Some(format!(
                "the last snapshot failed: {why}; it is tried again {} minutes later ({WITHOUT})",
                TRY_AGAIN.as_mins()
            )),
            JobState::Succeeded(_) => None,
        }
    }
}

fn name_of_newest(snapshots: &[Snapshot]) -> Option<&str> {
    snapshots.last().map(|newest| newest.name.as_str())
}

/// A Job that restores a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreJob {
    /// Its name.
    pub name: String,
    /// The snapshot.
    pub snapshot: String,
    /// How far it is.
    pub state: JobState,
}

impl RestoreJob {
    /// Reads a Job with its pods.
    #[must_use]
    pub fn read(job: &Job, pods: &[&Pod], problem: impl Fn(&Pod) -> Option<String>) -> Self {
        Self {
            name: job.metadata.name.clone().unwrap_or_default(),
            snapshot: annotation(job, labels::RESTORES),
            state: JobState::read(job, pods, problem),
        }
    }
}

fn annotation(job: &Job, key: &str) -> String {
    let all = job.metadata.annotations.as_ref();
    all.and_then(|all| all.get(key)).cloned().unwrap_or_default()
}

/// The Jobs of one plane, and what else counts while it is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaneJobs {
    /// Those that take snapshots; usually one or none.
    pub snapshots: Vec<SnapshotJob>,
    /// The one that restores.
    pub restore: Option<RestoreJob>,
    /// Pods of the plane that still run, as far as somebody had to look.
    pub running: Vec<String>,
}
