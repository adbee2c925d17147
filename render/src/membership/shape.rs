//! The members as the objects of the plane show them: how many pods, what a new one is told, and which of them
//! kube-apiserver connects to.

use k8s_openapi::api::core::v1::ConfigMap;
use nagaya_api::labels;

use super::{EtcdView, Member};
use crate::plane::names::{self, JOINING};
use crate::workloads::Workloads;

/// What a joining member is told about the others (`--initial-cluster`).
pub(crate) const INITIAL_CLUSTER: &str = "ETCD_INITIAL_CLUSTER";

/// The member that joins now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// The `2` of `etcd-2`.
    pub ordinal: u8,
    /// What etcd calls it: its volume is wiped when it was another one's.
    pub id: u64,
}

/// Which members the objects of the plane are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdShape {
    /// Ordinals of the members, in order.
    pub members: Vec<u8>,
    /// Pods of the StatefulSet: of every member, also beside one that is being replaced.
    pub replicas: u8,
    /// Who joins.
    pub joining: Option<Joining>,
    /// How many of the first members kube-apiserver connects to.
    pub serving: u8,
}

impl EtcdShape {
    /// At birth: the others join once the first one is there.
    #[must_use]
    pub fn newborn() -> Self {
        Self { members: vec![0], replicas: 1, joining: None, serving: 1 }
    }

    /// What is to be: by the newest list of etcd, or without one as it was told last (`state`), which also survives a
    /// plane that is retained. An etcd that was filled from a snapshot (`restored`) has one member, whoever there was
    /// before: the others would go on with what they have. Pods go only by a list of
    /// etcd: somebody may have changed what was told.
    #[must_use]
    pub fn of(
        target: u8,
        view: Option<&EtcdView>,
        state: Option<&ConfigMap>,
        restored: Option<&str>,
        workloads: &Workloads,
    ) -> Self {
        let is_of_before =
            |state: &&ConfigMap| restored.is_some() && restored_from(state) != restored;
        let state = state.filter(|state| !is_of_before(state));
        let known = match view {
            Some(EtcdView::Quorum(members)) if members.iter().all(|one| one.ordinal.is_some()) => {
                Some(members)
            }
            _ => None,
        };
        let (members, joining, at_least) = if let Some(members) = known {
            (ordinals(members), joining(members), 1)
        } else {
            let pods = workloads.etcd.as_ref().and_then(|etcd| u8::try_from(etcd.desired).ok());
            let (members, joining) = told(state);
            (members, joining, pods.unwrap_or(1))
        };
        let replicas = members.last().map_or(at_least, |last| at_least.max(last + 1));
        let now = workloads.api_server.as_ref().and_then(|one| one.etcd_members);
        let joins = known.is_none_or(|members| members.iter().any(|member| member.learner));
        let serving = serving(target, &members, joins, now);
        Self { members, replicas, joining, serving }
    }

    /// [`JOINING`]'s value.
    pub(crate) fn joining_entry(&self) -> String {
        let entry =
            |Joining { ordinal, id }: &Joining| format!("{}={id:x}", names::member_name(*ordinal));
        self.joining.as_ref().map_or_else(String::new, entry)
    }
}

fn ordinals(members: &[Member]) -> Vec<u8> {
    let mut all: Vec<u8> = members.iter().filter_map(|member| member.ordinal).collect();
    all.sort_unstable();
    all
}

/// Until it is well: from then on its volume says who it is, and an empty one is a loss.
fn joining(members: &[Member]) -> Option<Joining> {
    let learner = members.iter().find(|member| member.learner && !member.healthy)?;
    Some(Joining { ordinal: learner.ordinal?, id: learner.id })
}

/// kube-apiserver lets go of members before they leave, and connects to new ones when all are there: a restart for
/// each change of the spec, not for each member.
fn serving(target: u8, members: &[u8], joining: bool, now: Option<u8>) -> u8 {
    let complete = !joining && (0..target).all(|ordinal| members.contains(&ordinal));
    match now {
        Some(now) if now < target && !complete => now,
        None if !complete => 1,
        _ => target,
    }
}

/// Whether pods that start now are told that one of them joins.
#[must_use]
pub fn tells_who_joins(state: &ConfigMap) -> bool {
    state.data.as_ref().and_then(|data| data.get(JOINING)).is_some_and(|entry| !entry.is_empty())
}

fn restored_from(state: &ConfigMap) -> Option<&str> {
    state.metadata.annotations.as_ref()?.get(labels::RESTORED_FROM).map(String::as_str)
}

fn told(state: Option<&ConfigMap>) -> (Vec<u8>, Option<Joining>) {
    let value = |key: &str| state.and_then(|state| state.data.as_ref()?.get(key));
    let mut members: Vec<u8> = value(INITIAL_CLUSTER)
        .iter()
        .flat_map(|list| list.split(','))
        .filter_map(|entry| names::member_ordinal(entry.split_once('=')?.0))
        .collect();
    if members.is_empty() {
        members.push(0);
    }
    let joining = value(JOINING).and_then(|entry| {
        let (name, id) = entry.split_once('=')?;
        Some(Joining {
            ordinal: names::member_ordinal(name)?,
            id: u64::from_str_radix(id, 16).ok()?,
        })
    });
    (members, joining)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::Workload;

    fn members(ordinals: &[u8], learner: Option<u8>) -> EtcdView {
        let member = |ordinal: &u8| Member {
            id: u64::from(*ordinal) + 10,
            ordinal: Some(*ordinal),
            learner: learner == Some(*ordinal),
            healthy: learner != Some(*ordinal),
            leader: *ordinal == 0,
        };
        EtcdView::Quorum(ordinals.iter().map(member).collect())
    }

    fn connected_to(etcd_members: u8) -> Workloads {
        let api_server = Workload { etcd_members: Some(etcd_members), ..Workload::default() };
        Workloads { api_server: Some(api_server), ..Workloads::default() }
    }

    fn shape(target: u8, view: &EtcdView, serving: u8) -> EtcdShape {
        EtcdShape::of(target, Some(view), None, None, &connected_to(serving))
    }

    #[test]
    fn kube_apiserver_connects_to_new_members_when_all_are_there_and_lets_go_before_any_leaves() {
        assert_eq!(shape(3, &members(&[0, 1], None), 1).serving, 1);
        assert_eq!(shape(3, &members(&[0, 1, 2], Some(2)), 1).serving, 1);
        assert_eq!(shape(3, &members(&[0, 1, 2], None), 1).serving, 3);
        assert_eq!(shape(1, &members(&[0, 1, 2], None), 3).serving, 1);
        assert_eq!(shape(3, &members(&[0, 2], None), 3).serving, 3, "one is being replaced");
    }

    #[test]
    fn pods_follow_the_member_list_and_a_joiner_is_told_who_it_is() {
        let growing = shape(3, &members(&[0, 1], Some(1)), 1);
        assert_eq!(growing.replicas, 2);
        assert_eq!(growing.joining_entry(), "etcd-1=b");
        assert_eq!(shape(3, &members(&[0, 2], None), 3).replicas, 3, "one is being replaced");
        assert_eq!(shape(1, &members(&[0, 1, 2], None), 3).replicas, 3, "before anyone leaves");
    }

    #[test]
    fn a_member_that_is_not_ours_takes_no_pod_away() {
        let mut view = members(&[0, 1, 2], None);
        if let EtcdView::Quorum(members) = &mut view {
            members[2].ordinal = None;
        }
        let etcd = Some(Workload { desired: 3, ..Workload::default() });
        let workloads = Workloads { etcd, ..Workloads::default() };
        assert_eq!(EtcdShape::of(3, Some(&view), None, None, &workloads).replicas, 3);
    }

    #[test]
    fn without_a_list_of_etcd_what_was_told_last_stays() {
        let data = [
            (INITIAL_CLUSTER.to_owned(), "etcd-0=https://a:2380,etcd-1=https://b:2380".to_owned()),
            (JOINING.to_owned(), "etcd-1=8e9e05c52164694d".to_owned()),
        ];
        let state = ConfigMap { data: Some(data.into()), ..ConfigMap::default() };
        let lost = EtcdView::NoQuorum { answering: Vec::new() };
        for view in [None, Some(&lost)] {
            let etcd = Some(Workload { desired: 3, ..Workload::default() });
            let workloads = Workloads { etcd, ..Workloads::default() };
            let shape = EtcdShape::of(3, view, Some(&state), None, &workloads);
            assert_eq!(shape.members, [0, 1]);
            assert_eq!(shape.replicas, 3, "no pod goes for what somebody may have changed");
            assert_eq!(shape.joining_entry(), "etcd-1=8e9e05c52164694d");
        }
        assert_eq!(EtcdShape::of(3, None, None, None, &Workloads::default()), EtcdShape::newborn());
    }

    #[test]
    fn after_a_restore_there_is_one_member_until_etcd_says_otherwise() {
        let told = "etcd-0=https://a:2380,etcd-1=https://b:2380".to_owned();
        let mut state = ConfigMap {
            data: Some([(INITIAL_CLUSTER.to_owned(), told)].into()),
            ..ConfigMap::default()
        };
        let stopped = Some(Workload::default());
        let workloads = Workloads { etcd: stopped, ..Workloads::default() };
        let of = |state: &ConfigMap, restored| {
            EtcdShape::of(3, None, Some(state), restored, &workloads).members
        };
        assert_eq!(of(&state, None), [0, 1], "a restore that was taken back");
        assert_eq!(of(&state, Some("old")), [0]);
        let restored = (labels::RESTORED_FROM.to_owned(), "old".to_owned());
        state.metadata.annotations = Some([restored].into());
        assert_eq!(of(&state, Some("old")), [0, 1], "they have joined since");
        assert_eq!(of(&state, None), [0, 1], "the spec does not name it any more");
        assert_eq!(of(&state, Some("other")), [0]);
    }
}
