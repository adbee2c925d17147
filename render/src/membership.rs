//! Which members etcd has, and the next step towards those that the spec asks for, and towards room in their databases.
//!
//! The rules are etcd's (<https://etcd.io/docs/v3.6/op-guide/runtime-configuration/>): one change at a time, only
//! while every member is well; a new one joins as a learner and votes once it has caught up. Nothing is stored: a
//! linearizable member list says how far a change is, so that a pass after a crash goes on there. Members are
//! `etcd-0` to `etcd-4`, known by the ordinal in their peer URL.

mod findings;
mod shape;
mod space;

pub use findings::EtcdFindings;
pub(crate) use shape::INITIAL_CLUSTER;
pub use shape::{EtcdShape, Joining, tells_who_joins};
pub use space::{Attempt, Space, Store};

use crate::plane::names;
use crate::workloads::Workloads;

/// What etcd says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdView {
    /// A quorum answers; the list is linearizable.
    Quorum(Vec<Member>),
    /// Nobody can say who is a member now.
    NoQuorum {
        /// Ordinals of members that answer for themselves.
        answering: Vec<u8>,
    },
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// etcd's own name for it.
    pub id: u64,
    /// The `2` of `etcd-2`; `None`: its peer URL is none of ours.
    pub ordinal: Option<u8>,
    /// Replicates, but does not vote yet.
    pub learner: bool,
    /// It answers for itself.
    pub healthy: bool,
    /// The others follow it.
    pub leader: bool,
}

/// What else the next step depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Members that the spec asks for.
    pub target: u8,
    /// How many of the first members kube-apiserver connects to.
    pub serving: u8,
    /// No kube-apiserver of before the last change is left.
    pub api_servers_settled: bool,
    /// Pods are told that a member joins: one may start on an empty volume.
    pub joining_told: bool,
    /// Ordinals whose volume turned out to be empty.
    pub emptied: Vec<u8>,
    /// Volume claims of members that are gone are still there.
    pub stale_claims: bool,
    /// The snapshot before the removal of this member is there, or not wanted.
    pub saved_for: Option<u64>,
    /// What the snapshot before a removal waits for.
    pub unsaved: Option<String>,
    /// Room in the databases.
    pub space: Space,
}

/// The next thing to do to the member list, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The members are those that the spec asks for.
    Rest,
    /// In words: what has to happen first.
    Wait(String),
    /// `MemberAddAsLearner`.
    AddLearner {
        /// Of the new member.
        ordinal: u8,
    },
    /// `MemberPromote`; etcd refuses until the learner has caught up.
    Promote {
        /// The learner.
        id: u64,
        /// Its ordinal.
        ordinal: u8,
    },
    /// `MoveLeader`, so that a member that leaves interrupts nobody.
    MoveLeader {
        /// To this one.
        id: u64,
        /// Its ordinal.
        ordinal: u8,
    },
    /// `MemberRemove`.
    Remove {
        /// The one that leaves.
        id: u64,
        /// Its ordinal.
        ordinal: u8,
    },
    /// `Compact`: what is older than this, and superseded, goes.
    Compact {
        /// Of the newest write.
        revision: u64,
    },
    /// `Defragment`.
    Defragment {
        /// Of the member.
        ordinal: u8,
    },
    /// The alarm NOSPACE is taken away.
    Disarm,
    /// A moment between two of these.
    Pause,
    /// Most of what a full database holds is in use: somebody has to act.
    Full,
}

impl Step {
    /// What is going on with the members, for a condition; `None`: nothing.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        Some(match self {
            Self::Rest
            | Self::Compact { .. }
            | Self::Defragment { .. }
            | Self::Disarm
            | Self::Pause
            | Self::Full => return None,
            Self::Wait(words) => words.clone(),
            Self::AddLearner { ordinal } => format!("etcd-{ordinal} is being added"),
            Self::Promote { ordinal, .. } => format!("etcd-{ordinal} is catching up"),
            Self::MoveLeader { ordinal, .. } => format!("etcd-{ordinal} is to lead"),
            Self::Remove { ordinal, .. } => format!("etcd-{ordinal} is being removed"),
        })
    }

    /// Whether it changes etcd.
    #[must_use]
    pub fn is_action(&self) -> bool {
        !matches!(self, Self::Rest | Self::Wait(_) | Self::Pause | Self::Full)
    }
}

const NO_QUORUM: &str = "etcd has no quorum: no member comes or goes until enough of them are back";

/// The next step.
#[must_use]
pub fn next_step(view: &EtcdView, around: &Circumstances) -> Step {
    match view {
        EtcdView::Quorum(members) => {
            let step = after_a_snapshot(wanted(members, around), members, around);
            rather_than_wait(step, members, around)
        }
        EtcdView::NoQuorum { .. } => Step::Wait(NO_QUORUM.to_owned()),
    }
}

/// The next step, but for the snapshot before a removal.
fn wanted(members: &[Member], around: &Circumstances) -> Step {
    foreign(members)
        .or_else(|| finish_joining(members, around))
        .or_else(|| replace(members, around))
        // kube-apiserver restarts when members come or go, and writes when it starts.
        .or_else(|| space::rescue(members, &around.space))
        .or_else(|| grow(members, around))
        .or_else(|| shrink(members, around))
        .or_else(|| space::defragment(members, &around.space))
        .unwrap_or(Step::Rest)
}

/// The member whose removal is next, but for the snapshot before it, and those that leave after it.
#[must_use]
pub fn next_removals(view: &EtcdView, around: &Circumstances) -> Vec<u64> {
    let EtcdView::Quorum(members) = view else { return Vec::new() };
    let Step::Remove { id, .. } = wanted(members, around) else { return Vec::new() };
    let leaves = |one: &Member| one.ordinal >= Some(around.target);
    let shrinks = members.iter().any(|one| one.id == id && leaves(one));
    let then = members.iter().filter(|one| shrinks && leaves(one) && one.id != id);
    let all = std::iter::once(id).chain(then.map(|one| one.id));
    all.filter(|_| votes(members, id)).collect()
}

/// A learner has nothing that the others have not.
fn after_a_snapshot(step: Step, members: &[Member], around: &Circumstances) -> Step {
    match &step {
        Step::Remove { id, ordinal } if votes(members, *id) && around.saved_for != Some(*id) => {
            let why = around.unsaved.as_deref().unwrap_or("a snapshot of etcd begins");
            Step::Wait(format!("before etcd-{ordinal} is removed: {why}"))
        }
        _ => step,
    }
}

/// What is waited for may never come, or be a write that a full etcd does not take.
fn rather_than_wait(step: Step, members: &[Member], around: &Circumstances) -> Step {
    let waits = matches!(step, Step::Wait(_));
    let rescue = space::rescue(members, &around.space).filter(|rescue| waits && rescue.is_action());
    rescue.unwrap_or(step)
}

fn votes(members: &[Member], id: u64) -> bool {
    members.iter().any(|member| member.id == id && !member.learner)
}

/// Whether etcd has to be asked again: it is not as the spec asks for, or not well, or nobody has looked yet.
///
/// `last`: what the last look came to.
#[must_use]
pub fn is_to_be_looked_at(target: u8, workloads: &Workloads, last: Option<&Step>) -> bool {
    let at_rest = last == Some(&Step::Rest);
    let as_asked = workloads
        .etcd
        .as_ref()
        .is_some_and(|etcd| etcd.is_settled() && etcd.desired == i32::from(target));
    let connected = workloads.api_server.as_ref().and_then(|one| one.etcd_members) == Some(target);
    !(at_rest && as_asked && connected)
}

/// The `2` of the peer URL of `etcd-2`; `None`: not one of ours.
#[must_use]
pub fn ordinal_of(peer_url: &str, plane_namespace: &str) -> Option<u8> {
    let is_of = |ordinal: &u8| names::etcd_peer_url(plane_namespace, *ordinal) == peer_url;
    (0..names::MOST_ETCD_MEMBERS).find(is_of)
}

fn foreign(members: &[Member]) -> Option<Step> {
    let stranger = members.iter().find(|member| member.ordinal.is_none())?;
    Some(Step::Wait(format!(
        "etcd has a member {:x} that Nagaya did not make; remove it with: etcdctl member remove {:x}",
        stranger.id, stranger.id
    )))
}

/// A change that has begun is finished, or undone if it is not wanted any more, or keeps a member that votes from being
/// replaced. A learner on an empty volume is none to be replaced: it has not voted, and starts anew.
fn finish_joining(members: &[Member], around: &Circumstances) -> Option<Step> {
    let learner = members.iter().find(|member| member.learner)?;
    let (id, ordinal) = (learner.id, learner.ordinal?);
    let is_lost =
        |member: &Member| !member.learner && !member.healthy && is_emptied(member, around);
    Some(if ordinal >= around.target || (!learner.healthy && members.iter().any(is_lost)) {
        Step::Remove { id, ordinal }
    } else if !learner.healthy {
        Step::Wait(format!("etcd-{ordinal} is starting"))
    } else if around.joining_told {
        Step::Wait(format!("etcd-{ordinal} has started"))
    } else {
        Step::Promote { id, ordinal }
    })
}

fn is_emptied(member: &Member, around: &Circumstances) -> bool {
    member.ordinal.is_some_and(|ordinal| around.emptied.contains(&ordinal))
}

/// A member whose volume is empty cannot come back as what it was: it would have forgotten what it voted for.
fn replace(members: &[Member], around: &Circumstances) -> Option<Step> {
    let ill = || members.iter().filter(|member| !member.healthy);
    let first = ill().next()?.ordinal?;
    let leaves = |one: &Member| one.ordinal >= Some(around.target) && let_go(around).is_none();
    // Those that stay decide over it.
    let well = members.len() - ill().count();
    let decides = well > (members.len() - 1) / 2 && members.len() > 1;
    let gone = ill().find(|one| leaves(one) || is_emptied(one, around)).filter(|_| decides);
    Some(match gone {
        Some(Member { id, ordinal: Some(ordinal), .. }) => {
            Step::Remove { id: *id, ordinal: *ordinal }
        }
        _ => Step::Wait(format!(
            "etcd-{first} does not answer; no member comes or goes until it does"
        )),
    })
}

fn grow(members: &[Member], around: &Circumstances) -> Option<Step> {
    let is_there = |ordinal: &u8| members.iter().any(|member| member.ordinal == Some(*ordinal));
    let ordinal = (0..around.target).find(|ordinal| !is_there(ordinal))?;
    Some(if around.stale_claims {
        Step::Wait(format!("the volume of the etcd-{ordinal} of before is being deleted"))
    } else {
        Step::AddLearner { ordinal }
    })
}

fn shrink(members: &[Member], around: &Circumstances) -> Option<Step> {
    let leaver = members.iter().max_by_key(|member| member.ordinal)?;
    let (id, ordinal) = (leaver.id, leaver.ordinal.filter(|ordinal| *ordinal >= around.target)?);
    if let Some(wait) = let_go(around) {
        return Some(wait);
    }
    if leaver.leader {
        let heir = members.iter().filter(|member| member.id != id).min_by_key(|one| one.ordinal)?;
        return Some(Step::MoveLeader { id: heir.id, ordinal: heir.ordinal? });
    }
    Some(Step::Remove { id, ordinal })
}

/// A member that is removed ends at once, and with it what its clients are waiting for.
fn let_go(around: &Circumstances) -> Option<Step> {
    let connected = around.serving > around.target || !around.api_servers_settled;
    connected.then(|| {
        Step::Wait("kube-apiserver is still connected to members that are to leave".to_owned())
    })
}

#[cfg(test)]
mod tests;
