//! Members come and go one at a time, whatever the path, and no step is taken that could lose the quorum.

use super::*;

/// A cluster that does what it is told, as etcd would.
#[derive(Clone)]
struct Cluster {
    members: Vec<Member>,
    next_id: u64,
}

impl Cluster {
    fn of(size: u8) -> Self {
        let members = (0..size).map(|ordinal| member(u64::from(ordinal) + 1, ordinal)).collect();
        let mut cluster = Self { members, next_id: u64::from(size) + 1 };
        cluster.members[0].leader = true;
        cluster
    }

    fn view(&self) -> EtcdView {
        EtcdView::Quorum(self.members.clone())
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::AddLearner { ordinal } => {
                assert!(self.members.iter().all(|one| one.healthy && !one.learner), "{self:?}");
                self.members.push(Member { learner: true, ..member(self.next_id, *ordinal) });
                self.next_id += 1;
            }
            Step::Promote { id, .. } => self.get(*id).learner = false,
            Step::MoveLeader { id, .. } => {
                self.members.iter_mut().for_each(|one| one.leader = false);
                self.get(*id).leader = true;
            }
            Step::Remove { id, .. } => {
                assert!(!self.get(*id).leader, "a leader leaves: {self:?}");
                self.members.retain(|one| one.id != *id);
                let voters = self.members.iter().filter(|one| !one.learner);
                let (well, all) = voters
                    .fold((0, 0), |(well, all), one| (well + usize::from(one.healthy), all + 1));
                assert!(well > all / 2, "the quorum is lost: {self:?}");
            }
            _ => {}
        }
    }

    fn get(&mut self, id: u64) -> &mut Member {
        self.members.iter_mut().find(|one| one.id == id).unwrap()
    }

    fn ordinals(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self.members.iter().filter_map(|one| one.ordinal).collect();
        all.sort_unstable();
        all
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.members.fmt(f)
    }
}

fn member(id: u64, ordinal: u8) -> Member {
    Member { id, ordinal: Some(ordinal), learner: false, healthy: true, leader: false }
}

/// kube-apiserver follows at once.
fn to(target: u8) -> Circumstances {
    Circumstances { target, serving: target, api_servers_settled: true, ..Circumstances::default() }
}

/// Steps until nothing is left to do.
fn settle(cluster: &mut Cluster, around: &Circumstances) -> Vec<Step> {
    let mut steps = Vec::new();
    let step_of = |cluster: &Cluster| {
        let view = cluster.view();
        let saved_for = next_removals(&view, around).first().copied();
        next_step(&view, &Circumstances { saved_for, ..around.clone() })
    };
    while let step = step_of(cluster)
        && step.is_action()
    {
        cluster.take(&step);
        steps.push(step);
        assert!(steps.len() < 100, "it never ends: {steps:?}");
    }
    assert_eq!(step_of(cluster), Step::Rest);
    steps
}

#[test]
fn members_come_as_learners_and_leave_from_the_highest_down() {
    let mut cluster = Cluster::of(1);
    let steps = settle(&mut cluster, &to(3));
    let expected = [
        Step::AddLearner { ordinal: 1 },
        Step::Promote { id: 2, ordinal: 1 },
        Step::AddLearner { ordinal: 2 },
        Step::Promote { id: 3, ordinal: 2 },
    ];
    assert_eq!(steps, expected);
    assert_eq!(
        settle(&mut cluster, &to(1)),
        [Step::Remove { id: 3, ordinal: 2 }, Step::Remove { id: 2, ordinal: 1 }]
    );
}

#[test]
fn the_leader_hands_over_before_it_leaves() {
    let mut cluster = Cluster::of(3);
    cluster.take(&Step::MoveLeader { id: 3, ordinal: 2 });
    let steps = settle(&mut cluster, &to(1));
    assert_eq!(steps[0], Step::MoveLeader { id: 1, ordinal: 0 });
    assert_eq!(cluster.ordinals(), [0]);
}

#[test]
fn every_walk_through_the_sizes_ends_at_the_last_one_with_the_same_first_member() {
    for walk in [[3, 5, 3, 1], [5, 1, 5, 3], [1, 3, 1, 5]] {
        let mut cluster = Cluster::of(1);
        for target in walk {
            settle(&mut cluster, &to(target));
            assert_eq!(cluster.ordinals(), (0..target).collect::<Vec<_>>());
        }
        assert_eq!(cluster.members[0].id, 1, "the member with all the data stayed");
    }
}

#[test]
fn a_spec_that_is_reverted_half_way_takes_the_learner_back() {
    let mut cluster = Cluster::of(1);
    cluster.take(&Step::AddLearner { ordinal: 1 });
    assert_eq!(settle(&mut cluster, &to(1)), [Step::Remove { id: 2, ordinal: 1 }]);
}

#[test]
fn a_full_etcd_is_helped_while_something_else_is_waited_for() {
    let mut cluster = Cluster::of(3);
    cluster.members[2].healthy = false;
    let space = Space { full: true, revision: 9, ..Space::default() };
    let around = Circumstances { space, ..to(3) };
    assert_eq!(next_step(&cluster.view(), &around), Step::Compact { revision: 9 });
    let nothing_left = Space { revision: 0, ..around.space.clone() };
    let step = next_step(&cluster.view(), &Circumstances { space: nothing_left, ..around });
    assert!(matches!(&step, Step::Wait(words) if words.contains("etcd-2")), "{step:?}");
}

#[test]
fn nobody_leaves_before_kube_apiserver_has_let_go() {
    let cluster = Cluster::of(3);
    for around in [
        Circumstances { serving: 3, ..to(1) },
        Circumstances { api_servers_settled: false, ..to(1) },
    ] {
        assert!(matches!(next_step(&cluster.view(), &around), Step::Wait(_)), "{around:?}");
    }
}

#[test]
fn while_a_member_is_ill_nothing_is_made_worse() {
    let mut cluster = Cluster::of(3);
    cluster.get(2).healthy = false;
    for target in [3, 5] {
        let step = next_step(&cluster.view(), &to(target));
        assert!(matches!(&step, Step::Wait(words) if words.contains("etcd-1")), "{step:?}");
    }
    cluster.get(3).healthy = false;
    let around = Circumstances { emptied: vec![1, 2], ..to(3) };
    assert!(matches!(next_step(&cluster.view(), &around), Step::Wait(_)), "one is no majority");
    let lost = EtcdView::NoQuorum { answering: vec![0] };
    let step = next_step(&lost, &around);
    assert!(matches!(&step, Step::Wait(words) if words.contains("no quorum")));
}

#[test]
fn a_member_with_an_empty_volume_is_replaced_alone() {
    let mut cluster = Cluster::of(3);
    cluster.get(2).healthy = false;
    let around = Circumstances { emptied: vec![1], ..to(3) };
    let steps = settle(&mut cluster, &around);
    let expected = [
        Step::Remove { id: 2, ordinal: 1 },
        Step::AddLearner { ordinal: 1 },
        Step::Promote { id: 4, ordinal: 1 },
    ];
    assert_eq!(steps, expected);
}

#[test]
fn the_only_member_is_never_replaced() {
    let mut cluster = Cluster::of(1);
    cluster.get(1).healthy = false;
    let around = Circumstances { emptied: vec![0], ..to(1) };
    assert!(matches!(next_step(&cluster.view(), &around), Step::Wait(_)));
}

#[test]
fn a_member_that_is_to_leave_may_be_ill() {
    let mut cluster = Cluster::of(5);
    cluster.get(5).healthy = false;
    let steps = settle(&mut cluster, &to(3));
    assert_eq!(steps[0], Step::Remove { id: 5, ordinal: 4 });
}

#[test]
fn a_member_that_is_not_ours_is_named() {
    let mut cluster = Cluster::of(3);
    cluster.members.push(Member { ordinal: None, ..member(0xabc, 0) });
    let step = next_step(&cluster.view(), &to(3));
    assert!(matches!(&step, Step::Wait(words) if words.contains("member remove abc")), "{step:?}");
}

#[test]
fn nobody_joins_while_the_volume_of_a_predecessor_is_there() {
    let around = Circumstances { stale_claims: true, ..to(3) };
    assert!(matches!(next_step(&Cluster::of(1).view(), &around), Step::Wait(_)));
}

#[test]
fn nobody_who_votes_is_removed_before_a_snapshot() {
    let cluster = Cluster::of(3);
    let around = Circumstances { unsaved: Some("a snapshot is taken".into()), ..to(1) };
    for saved_for in [None, Some(2)] {
        let around = Circumstances { saved_for, ..around.clone() };
        assert!(matches!(next_step(&cluster.view(), &around), Step::Wait(_)), "{saved_for:?}");
    }
    let saved = Circumstances { saved_for: Some(3), ..around.clone() };
    assert_eq!(next_step(&cluster.view(), &saved), Step::Remove { id: 3, ordinal: 2 });
    assert_eq!(next_removals(&cluster.view(), &around), [3, 2], "one snapshot is enough");
    assert!(next_removals(&cluster.view(), &to(3)).is_empty());
    let mut joining = Cluster::of(1);
    joining.take(&Step::AddLearner { ordinal: 1 });
    let step = next_step(&joining.view(), &around);
    assert_eq!(step, Step::Remove { id: 2, ordinal: 1 }, "it has nothing to lose");
    assert!(next_removals(&joining.view(), &around).is_empty());
}

#[test]
fn two_of_five_that_lost_their_volumes_are_replaced_one_after_the_other() {
    let mut cluster = Cluster::of(5);
    cluster.get(2).healthy = false;
    cluster.get(3).healthy = false;
    let around = Circumstances { emptied: vec![1, 2], ..to(5) };
    settle(&mut cluster, &around);
    assert_eq!(cluster.ordinals(), [0, 1, 2, 3, 4]);
    assert!(cluster.members.iter().all(|one| one.healthy));
}

#[test]
fn a_learner_votes_only_when_an_empty_volume_would_be_noticed() {
    let mut cluster = Cluster::of(1);
    cluster.take(&Step::AddLearner { ordinal: 1 });
    let told = Circumstances { joining_told: true, ..to(3) };
    assert!(matches!(next_step(&cluster.view(), &told), Step::Wait(_)));
    assert_eq!(next_step(&cluster.view(), &to(3)), Step::Promote { id: 2, ordinal: 1 });
}

#[test]
fn a_learner_that_does_not_start_keeps_nobody_from_being_replaced() {
    let mut cluster = Cluster::of(3);
    cluster.take(&Step::AddLearner { ordinal: 3 });
    cluster.get(4).healthy = false;
    assert!(matches!(next_step(&cluster.view(), &to(5)), Step::Wait(_)));
    cluster.get(2).healthy = false;
    let around = Circumstances { emptied: vec![1], ..to(5) };
    assert_eq!(next_step(&cluster.view(), &around), Step::Remove { id: 4, ordinal: 3 });
}

#[test]
fn a_learner_whose_pod_was_refused_before_it_was_added_is_waited_for() {
    let mut cluster = Cluster::of(3);
    cluster.get(2).healthy = false;
    let around = Circumstances { emptied: vec![1], ..to(3) };
    let removal =
        next_step(&cluster.view(), &Circumstances { saved_for: Some(2), ..around.clone() });
    cluster.take(&removal);
    cluster.take(&Step::AddLearner { ordinal: 1 });
    cluster.get(4).healthy = false;
    let step = next_step(&cluster.view(), &around);
    assert_eq!(step, Step::Wait("etcd-1 is starting".to_owned()));
}

#[test]
fn nobody_comes_or_goes_while_etcd_is_full() {
    let full = Space { full: true, revision: 9, ..Space::default() };
    for target in [1, 3, 5] {
        let around = Circumstances { space: full.clone(), ..to(target) };
        let step = next_step(&Cluster::of(3).view(), &around);
        assert_eq!(step, Step::Compact { revision: 9 });
        assert_eq!(step.words(), None, "EtcdReady says it");
    }
}

#[test]
fn nothing_is_defragmented_while_members_come_or_go() {
    let store = |ordinal| Store { ordinal, size: 900, in_use: 100, quota: 1000, applied: 7 };
    let stores = (0..3).map(store).collect();
    let space = Space { stores, calm: true, ..Space::default() };
    let step_for = |target| {
        let around = Circumstances { space: space.clone(), ..to(target) };
        next_step(&Cluster::of(3).view(), &around)
    };
    assert_eq!(step_for(3), Step::Defragment { ordinal: 1 });
    assert_eq!(step_for(5), Step::AddLearner { ordinal: 3 });
}
