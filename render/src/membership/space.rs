//! Room in etcd's database: a full etcd is made writable again, and a file that is mostly free space is made smaller.
//!
//! etcd gives nothing back by itself. What is deleted and compacted leaves free pages in the file, and the quota
//! counts the file; defragmentation writes it anew, and the member answers nobody meanwhile (`backend.defrag` holds
//! every lock). So members take turns, the leader last: it goes on leading, since raft has a log of its own.

use std::time::Duration;

use super::{Member, Step};

/// Of a file, in percent, and in bytes: `maxFragmentedPercentage` and `minDefragBytes` of `cluster-etcd-operator`.
const FREE: u64 = 45;
const LARGE: u64 = 100 << 20;
/// Of the quota, in percent: there `NagayaEtcdDatabaseNearQuota` begins, and even a lone member is defragmented, if so
/// many percent of its file come back. It would be read-only before it was done otherwise.
const NEAR: u64 = 80;
const GAIN: u64 = 20;
/// Of the quota, in percent: with less room than that left, the alarm would be raised again at once.
const WRITABLE: u64 = 90;
/// Entries of the log that a member lacks before it is behind: they are not all asked at the same moment.
const BEHIND: u64 = 1000;
/// For a member to catch up, and for kube-apiserver to find it again.
const BETWEEN_MEMBERS: Duration = Duration::from_secs(10);
/// A member whose file keeps growing is defragmented no more often.
const BETWEEN_ROUNDS: Duration = Duration::from_hours(1);
/// After one that failed, such as for want of room on the volume.
const TRY_AGAIN: Duration = Duration::from_mins(10);

/// The database of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Whose.
    pub ordinal: u8,
    /// Bytes of its file, which the quota counts.
    pub size: u64,
    /// Of them in use.
    pub in_use: u64,
    /// `--quota-backend-bytes`.
    pub quota: u64,
    /// The last entry of the log that it has taken in.
    pub applied: u64,
}

/// A defragmentation that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Of whom.
    pub ordinal: u8,
    /// How long ago.
    pub ago: Duration,
    /// It could not be done.
    pub failed: bool,
}

/// What is known of the room that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Of the members that answer.
    pub stores: Vec<Store>,
    /// The alarm NOSPACE is raised: nothing is written.
    pub full: bool,
    /// Of the newest write.
    pub revision: u64,
    /// What is older was taken away by this manager.
    pub compacted: u64,
    /// Nothing else is done to the control plane.
    pub calm: bool,
    /// A snapshot is being taken: a member that gives one would stand still, when told to defragment, until it is sent
    /// (bbolt closes no file that is being read).
    pub saving: bool,
    /// What was defragmented last.
    pub attempts: Vec<Attempt>,
}

impl Store {
    fn takes(&self, bytes: u64, percent: u64) -> bool {
        bytes.saturating_mul(100) >= self.quota.saturating_mul(percent)
    }

    fn frees(&self, percent: u64) -> bool {
        self.size.saturating_sub(self.in_use).saturating_mul(100)
            >= self.size.saturating_mul(percent)
    }

    fn is_due(&self, alone: bool) -> bool {
        let fragmented = self.size >= LARGE && self.frees(FREE);
        (!alone && fragmented) || (self.takes(self.size, NEAR) && self.frees(GAIN))
    }
}

/// Makes a full etcd writable again: what is superseded goes, files become smaller, the alarm is taken away. While it is
/// raised, kube-apiserver cannot compact: that begins with a write. Nobody waits for a member that does not answer; if it
/// comes back as large as before, it raises the alarm again.
pub(super) fn rescue(members: &[Member], space: &Space) -> Option<Step> {
    if !space.full {
        return None;
    }
    let members: Vec<Member> = members.iter().filter(|one| one.healthy).cloned().collect();
    if space.revision > space.compacted {
        return Some(Step::Compact { revision: space.revision });
    }
    let is_full = |store: &&Store| store.takes(store.size, WRITABLE);
    let is_large = |store: &&Store| is_full(store) && !store.takes(store.in_use, WRITABLE);
    let large: Vec<u8> = space.stores.iter().filter(is_large).map(|one| one.ordinal).collect();
    Some(if !large.is_empty() {
        turn(&members, space, &large)
    } else if space.stores.iter().any(|store| is_full(&store)) {
        Step::Full
    } else if members.len() > space.stores.len() {
        Step::Pause
    } else {
        Step::Disarm
    })
}

/// Makes files smaller before they are in the way.
pub(super) fn defragment(members: &[Member], space: &Space) -> Option<Step> {
    let alone = members.len() == 1;
    let is_new = |store: &&Store| {
        let of_it = |one: &&Attempt| one.ordinal == store.ordinal && one.ago < BETWEEN_ROUNDS;
        space.attempts.iter().find(of_it).is_none()
    };
    let due = space.stores.iter().filter(|store| store.is_due(alone)).filter(is_new);
    let due: Vec<u8> = due.map(|store| store.ordinal).collect();
    let has_failed = space.attempts.iter().any(|one| one.failed && one.ago < TRY_AGAIN);
    (space.calm && !has_failed && !due.is_empty()).then(|| turn(members, space, &due))
}

/// Whose turn it is.
fn turn(members: &[Member], space: &Space, due: &[u8]) -> Step {
    let pauses = |one: &Attempt| one.ago < if one.failed { TRY_AGAIN } else { BETWEEN_MEMBERS };
    if space.saving || space.attempts.iter().any(pauses) || !all_caught_up(members, space) {
        return Step::Pause;
    }
    let leads = |ordinal: u8| members.iter().any(|one| one.leader && one.ordinal == Some(ordinal));
    let next = due.iter().copied().find(|ordinal| !leads(*ordinal)).or(due.first().copied());
    next.map_or(Step::Pause, |ordinal| Step::Defragment { ordinal })
}

fn all_caught_up(members: &[Member], space: &Space) -> bool {
    let newest = space.stores.iter().map(|store| store.applied).max().unwrap_or_default();
    let is_behind = |store: &Store| newest - store.applied > BEHIND;
    space.stores.len() >= members.len() && !space.stores.iter().any(is_behind)
}

#[cfg(test)]
mod tests;
