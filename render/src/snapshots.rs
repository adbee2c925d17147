//! When etcd is saved, and what has to wait for a snapshot. Derived from what is on record and from the Jobs that
//! are there, so that a pass after a crash goes on there.
//!
//! | file | what |
//! |---|---|
//! | `bucket.rs` | a tenant's folder in a bucket |
//! | `job.rs` | what a Job and its pod say |
//! | `restore.rs` | the way back to a snapshot, phase by phase |

mod bucket;
mod job;
mod restore;

use jiff::{SignedDuration, Timestamp};
use nagaya_api::Snapshot;

pub use bucket::Bucket;
pub use job::{JobState, PlaneJobs, RestoreJob, SnapshotJob, WORDS};
pub use restore::{Phase, restore_phase};

use crate::go_duration;
use crate::tenant::Tenant;

/// The reason of a snapshot that only the schedule asked for.
pub const SCHEDULED: &str = "scheduled";

/// A snapshot before an operation counts for it so long: one that is put off for longer gets another.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// A restore of the same snapshot may be asked for again, and its reason is the same then: what was written since the
/// one before must not be taken for saved.
const COUNTS_FOR_A_RESTORE: SignedDuration = SignedDuration::from_mins(3);
/// After a failed attempt, for as long as it can be looked at.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// A pod that does not run by then is kept by something.
const STARTS: SignedDuration = SignedDuration::from_mins(1);

/// How a tenant's etcd is saved, and what has been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// None are taken.
    pub suspended: bool,
    /// From one to the next.
    pub every: SignedDuration,
    /// How many are kept.
    pub keep: i32,
    /// StorageClass of their volume; `None`: the cluster's default.
    pub storage_class: Option<String>,
    /// Kubernetes quantity in bytes.
    pub storage_size: String,
    /// Where they are kept instead of the volume.
    pub bucket: Option<Bucket>,
    /// What there is of them, oldest first.
    pub taken: Vec<Snapshot>,
    /// What etcd is to be filled with, and has not been.
    pub restoring: Option<String>,
    /// What etcd was filled with, for as long as the spec names it.
    pub restored: Option<String>,
}

impl Snapshots {
    /// As the spec has it, on the volume and with none taken.
    #[must_use]
    pub fn asked_for(spec: &nagaya_api::Snapshots) -> Self {
        Self {
            suspended: spec.suspend,
            // The schema lets nothing else pass.
            every: go_duration::parse(&spec.schedule).unwrap_or(SignedDuration::from_hours(6)),
            keep: spec.keep,
            storage_class: spec.volume.class_name.clone(),
            storage_size: spec.volume.size.clone(),
            bucket: None,
            taken: Vec::new(),
            restoring: None,
            restored: None,
        }
    }

    /// What a snapshot says that is taken now; `None`: the volume.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        self.bucket.as_ref().map(Bucket::location)
    }
}

/// Whether an operation may begin that asks for a snapshot before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotGate {
    /// It may: the snapshot is there.
    Taken,
    /// It may: the tenant wants no snapshots.
    Skipped,
    /// It may not: the snapshot has to be taken, with this reason ([`SnapshotPlan::next`] does).
    Wanted(String),
    /// It may not: a snapshot is being taken, or the last attempt failed; in words.
    Waiting(String),
}

impl SnapshotGate {
    /// The gate before `operation`, such as `the upgrade to v1.37.1` or `the removal of member 8e9e05c52164694d`:
    /// words that name this one operation and no other of the tenant.
    #[must_use]
    pub fn before(operation: &str, tenant: &Tenant, jobs: &PlaneJobs, now: Timestamp) -> Self {
        let reason = reason_before(operation);
        let is_taken = has_taken(tenant, |taken| taken == reason, COUNTS_FOR, now);
        Self::of(reason, is_taken, tenant, jobs)
    }

    /// The gate before a restore of `snapshot`.
    #[must_use]
    pub fn before_restore(
        snapshot: &str,
        tenant: &Tenant,
        jobs: &PlaneJobs,
        now: Timestamp,
    ) -> Self {
        let is_taken = is_saved_before_restore(snapshot, tenant, now);
        Self::of(reason_before_restore(snapshot), is_taken, tenant, jobs)
    }

    /// The gate before the first of these members of etcd is removed. A snapshot that was taken for it and others counts
    /// for the others too: with two members, etcd would wait for the next one in danger.
    #[must_use]
    pub fn before_removals(
        members: &[u64],
        tenant: &Tenant,
        jobs: &PlaneJobs,
        now: Timestamp,
    ) -> Self {
        let names: Vec<String> = members.iter().map(|id| format!("{id:x}")).collect();
        let removal = reason_before("the removal of etcd members ");
        let is_of_first = |reason: &str| {
            let mut all = reason.strip_prefix(&removal).into_iter().flat_map(|all| all.split(", "));
            all.any(|name| names.first().is_some_and(|first| first == name))
        };
        let is_taken = has_taken(tenant, is_of_first, COUNTS_FOR, now);
        Self::of(format!("{removal}{}", names.join(", ")), is_taken, tenant, jobs)
    }

    fn of(reason: String, is_taken: bool, tenant: &Tenant, jobs: &PlaneJobs) -> Self {
        if tenant.snapshots.suspended {
            return Self::Skipped;
        }
        if is_taken {
            return Self::Taken;
        }
        match jobs.snapshots.iter().find_map(SnapshotJob::waits_for) {
            Some(words) => Self::Waiting(words),
            None => Self::Wanted(reason),
        }
    }

    /// Whether the operation may begin.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Taken | Self::Skipped)
    }

    /// What the operation waits for; empty if for nothing.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Taken | Self::Skipped => "",
            Self::Wanted(_) => {
                "a snapshot of etcd begins (spec.snapshots.suspend: true goes on without)"
            }
            Self::Waiting(words) => words,
        }
    }
}

fn reason_before(operation: &str) -> String {
    format!("before {operation}")
}

fn reason_before_restore(snapshot: &str) -> String {
    reason_before(&format!("the restore of {snapshot}"))
}

/// Whether all that a restore of `snapshot` would replace was saved for it.
fn is_saved_before_restore(snapshot: &str, tenant: &Tenant, now: Timestamp) -> bool {
    let reason = reason_before_restore(snapshot);
    has_taken(tenant, |taken| taken == reason, COUNTS_FOR_A_RESTORE, now)
}

fn has_taken(
    tenant: &Tenant,
    counts: impl Fn(&str) -> bool,
    within: SignedDuration,
    now: Timestamp,
) -> bool {
    let mut taken = tenant.snapshots.taken.iter();
    taken.any(|one| counts(&one.reason) && now.duration_since(one.time.0) < within)
}

/// What to do about snapshots now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Jobs whose result is on record, or was long enough to be seen.
    pub finished: Vec<String>,
    /// A snapshot to take, by its reason.
    pub take: Option<String>,
    /// When the next one is due, or a failed one may be tried again.
    pub next: Option<Timestamp>,
}

impl SnapshotPlan {
    /// One at a time. `on_record`: what the plane's record said before this pass. `gates`: those of operations that
    /// wait for a snapshot now. `created`: when the tenant was; `may_begin`: it is Ready, so that nothing of this
    /// happens at its birth.
    #[must_use]
    pub fn next(
        tenant: &Tenant,
        on_record: &[Snapshot],
        jobs: &PlaneJobs,
        gates: &[SnapshotGate],
        (created, may_begin): (Timestamp, bool),
        now: Timestamp,
    ) -> Self {
        let (finished, in_the_way): (Vec<&SnapshotJob>, Vec<&SnapshotJob>) =
            jobs.snapshots.iter().partition(|job| job.is_finished(on_record, now));
        let mut plan = Self {
            finished: finished.iter().map(|job| job.name.clone()).collect(),
            ..Self::default()
        };
        if let Some(job) = in_the_way.first() {
            plan.next = job.try_again_at().or_else(|| now.checked_add(STARTS).ok());
            return plan;
        }
        let asked = gates.iter().find_map(|gate| match gate {
            SnapshotGate::Wanted(reason) => Some(reason.clone()),
            _ => None,
        });
        let due = due_at(tenant, created);
        plan.next = due;
        let scheduled = due.filter(|due| may_begin && *due <= now).map(|_| SCHEDULED.to_owned());
        plan.take = asked.or(scheduled);
        plan
    }
}

/// The first one comes after half to a whole interval, which keeps tenants that were made together apart from then
/// on.
fn due_at(tenant: &Tenant, created: Timestamp) -> Option<Timestamp> {
    let snapshots = &tenant.snapshots;
    if snapshots.suspended {
        return None;
    }
    let every = snapshots.every;
    let place = snapshots.location();
    let there = snapshots.taken.iter().filter(|one| one.location == place);
    if let Some(last) = there.map(|one| one.time.0).max() {
        return last.checked_add(every).ok();
    }
    // A place that is new holds nothing, and gets its first one at once.
    if !snapshots.taken.is_empty() {
        return Some(created);
    }
    let half = every / 2;
    let spread = half.as_secs().saturating_mul(i64::from(tenant.share())) / 256;
    created.checked_add(half + SignedDuration::from_secs(spread)).ok()
}

/// What there is now: what the newest finished Job says, else what is on record.
#[must_use]
pub fn taken(on_record: &[Snapshot], jobs: &PlaneJobs) -> Vec<Snapshot> {
    let newest = |list: &&Vec<Snapshot>| list.iter().map(|one| one.time.0).max();
    let told = jobs.snapshots.iter().filter_map(|job| match &job.state {
        JobState::Succeeded(held) => held.as_ref(),
        _ => None,
    });
    told.max_by_key(newest).cloned().unwrap_or_else(|| on_record.to_vec())
}

/// `20261126T040000Z` in the letters that an object's name may have.
#[must_use]
pub fn snapshot_name(now: Timestamp) -> String {
    now.strftime("%Y%m%dt%H%M%Sz").to_string()
}
