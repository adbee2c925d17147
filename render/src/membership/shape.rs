//! The members as the objects of the plane show them: how many pods, what a new one is told, and which of them
//! kube-apiserver connects to.

use k8s_openapi::api::core::v1::ConfigMap;

use super::{EtcdView, Member};
use crate::workloads::Workloads;

/// What a joining member is told about the others (`--initial-cluster`).
pub(crate) const INITIAL_CLUSTER: &str = "ETCD_INITIAL_CLUSTER";
/// Who joins, and as which member: `etcd-2=8e9e05c52164694d`.
pub(crate) const JOINING: &str = "NAGAYA_ETCD_JOINING";

/// The member that joins now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// The `2` of `etcd-2`.
    pub ordinal: u8,
    /// What etcd calls it: its volume is wiped when it was another one's.
    pub id: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdShape {
    /// Ordinals of the members, in order.
    pub members: Vec<u8>,
    /// Who joins.
    pub joining: Option<Joining>,
    /// How many of the first members kube-apiserver connects to.
    pub serving: u8,
}

impl EtcdShape {
    /// At birth: the others join once the first one is there.
    #[must_use]
    pub fn newborn() -> Self {
        Self { members: vec![0], joining: None, serving: 1 }
    }

    /// What is to be: by the newest list of etcd, or without one as it was told last (`state`), which also
    /// survives a plane that is retained.
    #[must_use]
    pub fn of(
        target: u8,
        view: Option<&EtcdView>,
        state: Option<&ConfigMap>,
        workloads: &Workloads,
    ) -> Self {
        let (members, joining) = match view {
            Some(EtcdView::Quorum(members)) => (ordinals(members), joining(members)),
            _ => told(state),
        };
        let now = workloads.api_server.as_ref().and_then(|one| one.etcd_members);
        let serving = serving(target, &members, joining.is_some(), now);
        Self { members, joining, serving }
    }

    /// Pods of the StatefulSet: of every member, also beside one that is being replaced.
    #[must_use]
    pub fn replicas(&self) -> u8 {
        self.members.last().map_or(1, |last| last + 1)
    }

    /// [`JOINING`]'s value.
    pub(crate) fn joining_entry(&self) -> String {
        let entry = |Joining { ordinal, id }: &Joining| format!("etcd-{ordinal}={id:x}");
        self.joining.as_ref().map_or_else(String::new, entry)
    }
}

fn ordinals(members: &[Member]) -> Vec<u8> {
    let mut all: Vec<u8> = members.iter().filter_map(|member| member.ordinal).collect();
    all.sort_unstable();
    all
}

fn joining(members: &[Member]) -> Option<Joining> {
    let learner = members.iter().find(|member| member.learner)?;
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

fn told(state: Option<&ConfigMap>) -> (Vec<u8>, Option<Joining>) {
    let value = |key: &str| state.and_then(|state| state.data.as_ref()?.get(key));
    let mut members: Vec<u8> = value(INITIAL_CLUSTER)
        .iter()
        .flat_map(|list| list.split(','))
        .filter_map(|entry| ordinal(entry.split_once('=')?.0))
        .collect();
    if members.is_empty() {
        members.push(0);
    }
    let joining = value(JOINING).and_then(|entry| {
        let (name, id) = entry.split_once('=')?;
        Some(Joining { ordinal: ordinal(name)?, id: u64::from_str_radix(id, 16).ok()? })
    });
    (members, joining)
}

/// The `2` of `etcd-2`.
pub(super) fn ordinal(name: &str) -> Option<u8> {
    name.strip_prefix("etcd-")?.parse().ok()
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
            healthy: true,
            leader: *ordinal == 0,
        };
        EtcdView::Quorum(ordinals.iter().map(member).collect())
    }

    fn connected_to(etcd_members: u8) -> Workloads {
        let api_server = Workload { etcd_members: Some(etcd_members), ..Workload::default() };
        Workloads { api_server: Some(api_server), ..Workloads::default() }
    }

    fn shape(target: u8, view: &EtcdView, serving: u8) -> EtcdShape {
        EtcdShape::of(target, Some(view), None, &connected_to(serving))
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
        assert_eq!(growing.replicas(), 2);
        assert_eq!(growing.joining_entry(), "etcd-1=b");
        assert_eq!(shape(3, &members(&[0, 2], None), 3).replicas(), 3, "one is being replaced");
        assert_eq!(shape(1, &members(&[0, 1, 2], None), 3).replicas(), 3, "before anyone leaves");
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
            let shape = EtcdShape::of(3, view, Some(&state), &Workloads::default());
            assert_eq!(shape.members, [0, 1]);
            assert_eq!(shape.joining_entry(), "etcd-1=8e9e05c52164694d");
        }
        assert_eq!(EtcdShape::of(3, None, None, &Workloads::default()), EtcdShape::newborn());
    }
}
