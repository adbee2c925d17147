//! Members take turns, a lone one is left alone until it has to be, and a full etcd is written to again by itself.

use super::*;

const MIB: u64 = 1 << 20;
const LATER: Duration = BETWEEN_MEMBERS;

/// An etcd that does what it is told.
struct Etcd {
    members: Vec<Member>,
    space: Space,
}

impl Etcd {
    /// Sizes in MiB of a quota of 1000.
    fn of(members: u8, size: u64, in_use: u64) -> Self {
        let member = |ordinal: u8| Member {
            id: u64::from(ordinal) + 1,
            ordinal: Some(ordinal),
            learner: false,
            healthy: true,
            leader: ordinal == 0,
        };
        let store = |ordinal: u8| Store {
            ordinal,
            size: size * MIB,
            in_use: in_use * MIB,
            quota: 1000 * MIB,
            applied: 7,
        };
        let space = Space {
            stores: (0..members).map(store).collect(),
            revision: 9,
            calm: true,
            ..Space::default()
        };
        Self { members: (0..members).map(member).collect(), space }
    }

    fn full(self) -> Self {
        Self { space: Space { full: true, ..self.space }, ..self }
    }

    fn next(&self) -> Option<Step> {
        rescue(&self.members, &self.space).or_else(|| defragment(&self.members, &self.space))
    }

    /// Compacting takes half of what is in use away.
    fn take(&mut self, step: &Step) {
        match step {
            Step::Compact { revision } => {
                self.space.compacted = *revision;
                self.space.stores.iter_mut().for_each(|store| store.in_use /= 2);
            }
            Step::Defragment { ordinal } => {
                let mut stores = self.space.stores.iter_mut();
                let store = stores.find(|store| store.ordinal == *ordinal).unwrap();
                store.size = store.in_use;
                let done = Attempt { ordinal: *ordinal, ago: Duration::ZERO, failed: false };
                self.space.attempts.push(done);
            }
            Step::Disarm => self.space.full = false,
            Step::Pause => self.space.attempts.iter_mut().for_each(|one| one.ago += LATER),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// All steps but pauses until nothing is left to do.
    fn settle(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(step) = self.next() {
            assert!(steps.len() < 100, "it never ends: {steps:?}");
            self.take(&step);
            steps.push(step);
        }
        steps
    }
}

#[test]
fn followers_come_first_with_a_pause_and_whoever_leads_comes_last() {
    let steps = Etcd::of(3, 200, 100).settle();
    let expected = [
        Step::Defragment { ordinal: 1 },
        Step::Pause,
        Step::Defragment { ordinal: 2 },
        Step::Pause,
        Step::Defragment { ordinal: 0 },
    ];
    assert_eq!(steps, expected);
}

#[test]
fn small_files_and_files_in_use_are_left_alone() {
    assert_eq!(Etcd::of(3, 99, 1).next(), None);
    assert_eq!(Etcd::of(3, 200, 111).next(), None);
    assert_eq!(Etcd::of(3, 900, 800).next(), None);
}

#[test]
fn a_lone_member_is_defragmented_only_near_its_quota_and_for_a_gain() {
    assert_eq!(Etcd::of(1, 799, 100).next(), None);
    assert_eq!(Etcd::of(1, 800, 700).next(), None);
    assert_eq!(Etcd::of(1, 800, 640).next(), Some(Step::Defragment { ordinal: 0 }));
}

#[test]
fn a_member_that_grows_again_waits_for_an_hour() {
    let mut etcd = Etcd::of(1, 900, 100);
    etcd.settle();
    etcd.space.stores[0].size = 900 * MIB;
    etcd.space.attempts[0].ago = BETWEEN_ROUNDS / 2;
    assert_eq!(etcd.next(), None);
    etcd.space.attempts[0].ago = BETWEEN_ROUNDS;
    assert_eq!(etcd.next(), Some(Step::Defragment { ordinal: 0 }));
}

#[test]
fn nobody_has_a_turn_while_something_else_is_done_or_a_member_is_behind() {
    let mut etcd = Etcd::of(3, 200, 100);
    etcd.space.stores[2].applied = 7 + BEHIND + 1;
    assert_eq!(etcd.next(), Some(Step::Pause));
    let mut etcd = Etcd::of(3, 200, 100);
    etcd.space.stores.pop();
    assert_eq!(etcd.next(), Some(Step::Pause), "nobody knows how the third one is");
    let mut etcd = Etcd::of(3, 200, 100);
    etcd.space.calm = false;
    assert_eq!(etcd.next(), None);
}

#[test]
fn one_that_gives_a_snapshot_is_not_stopped_though_etcd_is_full() {
    let mut etcd = Etcd::of(1, 1000, 400).full();
    etcd.space.compacted = 9;
    etcd.space.saving = true;
    assert_eq!(etcd.next(), Some(Step::Pause));
}

#[test]
fn a_full_etcd_waits_for_no_member_that_does_not_answer() {
    let mut etcd = Etcd::of(3, 1000, 990).full();
    etcd.members[1].healthy = false;
    etcd.space.stores.remove(1);
    let steps = etcd.settle();
    let turns = |ordinal| steps.contains(&Step::Defragment { ordinal });
    assert_eq!([turns(0), turns(1), turns(2)], [true, false, true], "{steps:?}");
    assert_eq!(steps.last(), Some(&Step::Disarm));
}

#[test]
fn a_full_etcd_is_compacted_defragmented_and_disarmed() {
    let steps = Etcd::of(1, 1000, 990).full().settle();
    let expected = [Step::Compact { revision: 9 }, Step::Defragment { ordinal: 0 }, Step::Disarm];
    assert_eq!(steps, expected);
    let mut three = Etcd::of(3, 1000, 990).full();
    three.space.calm = false;
    let steps = three.settle();
    assert_eq!(steps.last(), Some(&Step::Disarm));
    let turns = steps.iter().filter(|step| matches!(step, Step::Defragment { .. })).count();
    assert_eq!(turns, 3, "it cannot wait for what else is done");
}

#[test]
fn one_that_is_full_of_what_is_needed_waits_for_somebody() {
    let mut etcd = Etcd::of(1, 1000, 990).full();
    etcd.space.compacted = 9;
    assert_eq!(etcd.next(), Some(Step::Full));
    etcd.space.revision = 10;
    assert_eq!(etcd.next(), Some(Step::Compact { revision: 10 }), "something was deleted");
    etcd.space.compacted = 10;
    etcd.space.stores[0].quota = 2000 * MIB;
    assert_eq!(etcd.next(), Some(Step::Disarm), "its quota was raised");
}

#[test]
fn the_alarm_stays_until_every_member_has_room() {
    let mut etcd = Etcd::of(3, 500, 400).full();
    etcd.space.compacted = 9;
    let third = etcd.space.stores.pop();
    assert_eq!(etcd.next(), Some(Step::Pause));
    etcd.space.stores.extend(third);
    etcd.space.stores[2].size = 950 * MIB;
    etcd.space.stores[2].in_use = 950 * MIB;
    assert_eq!(etcd.next(), Some(Step::Full));
}

#[test]
fn where_one_could_not_be_defragmented_the_others_are_left_alone_for_a_while() {
    let mut etcd = Etcd::of(3, 200, 100);
    etcd.space.attempts = vec![Attempt { ordinal: 1, ago: LATER, failed: true }];
    assert_eq!(etcd.next(), None);
    etcd.space.attempts[0].ago = TRY_AGAIN;
    assert_eq!(etcd.next(), Some(Step::Defragment { ordinal: 2 }));
}

#[test]
fn after_a_failure_it_is_tried_again_later() {
    let mut etcd = Etcd::of(1, 1000, 400).full();
    etcd.space.compacted = 9;
    let failed = |ago| vec![Attempt { ordinal: 0, ago, failed: true }];
    etcd.space.attempts = failed(LATER);
    assert_eq!(etcd.next(), Some(Step::Pause));
    etcd.space.attempts = failed(TRY_AGAIN);
    assert_eq!(etcd.next(), Some(Step::Defragment { ordinal: 0 }));
}
