//! Nodes that renew, fall silent and come back, as a manager sees them.

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn noon() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().expect("a timestamp")
}

/// A tenant whose nodes renew every 10 s, each at its own second, and which is written to otherwise too.
#[derive(Default)]
struct Play {
    pulse: Pulse,
    now: u64,
    version: u64,
    newest: Option<u64>,
    renewing: Vec<u64>,
    /// What kube-controller-manager runs with.
    since: Option<Timestamp>,
    /// How often that changed.
    turns: usize,
    next_look: u64,
    ready: usize,
}

impl Play {
    fn with_nodes(offsets: &[u64]) -> Self {
        Self { renewing: offsets.to_vec(), ready: offsets.len(), ..Self::default() }
    }

    fn second(&mut self) {
        self.version += 1;
        if self.renewing.contains(&(self.now % 10)) {
            self.version += 1;
            self.newest = Some(self.version);
        }
        if self.now >= self.next_look {
            let at = seconds(self.now);
            let look = Look { at, version: self.version, newest: self.newest, patience: PATIENCE };
            let mut heartbeats = self.pulse.take(look);
            if heartbeats == (Heartbeats::Silent { ready: None }) {
                heartbeats = self.pulse.counted(self.ready);
            }
            self.decide(heartbeats);
            self.next_look = self.now + self.pulse.pause(at).as_secs();
        }
        self.now += 1;
    }

    fn decide(&mut self, heartbeats: Heartbeats) {
        let now = noon() + jiff::SignedDuration::from_secs(i64::try_from(self.now).unwrap_or(0));
        let decided = cut_off(self.since, heartbeats, now);
        self.turns += usize::from(decided.is_some() != self.since.is_some());
        self.since = decided;
    }

    fn pass(&mut self, seconds: u64) {
        (0..seconds).for_each(|_| self.second());
    }

    /// Seconds until kube-controller-manager is told, at most `within`.
    fn seconds_until(&mut self, cut_off: bool, within: u64) -> Option<u64> {
        (0..within).find(|_| {
            self.second();
            self.since.is_some() == cut_off
        })
    }
}

#[test]
fn nodes_that_fall_silent_together_are_taken_for_cut_off_within_26_seconds_of_the_last_renewal() {
    for phase in 0..10 {
        for begin in 0..10 {
            let mut play = Play::with_nodes(&[phase]);
            play.ready = 2;
            play.pass(60 + begin);
            // Right after a renewal: the worst case.
            while play.now % 10 != (phase + 1) % 10 {
                play.second();
            }
            play.renewing.clear();
            let took = play.seconds_until(true, 60);
            assert!(took.is_some_and(|took| took <= 26), "{phase} {begin}: {took:?}");
        }
    }
}

#[test]
fn nodes_that_renew_are_left_to_kubernetes_for_hours() {
    let mut play = Play::with_nodes(&[3, 3]);
    play.pass(4 * 3600);
    assert_eq!((play.since, play.turns), (None, 0));
}

#[test]
fn one_node_that_renews_is_enough_to_leave_all_others_to_kubernetes() {
    let mut play = Play::with_nodes(&[1, 4, 7]);
    play.pass(60);
    play.renewing = vec![4];
    play.pass(600);
    assert_eq!((play.since, play.turns), (None, 0));
}

#[test]
fn nodes_that_come_back_are_looked_after_again_when_they_have_stayed() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    play.renewing.clear();
    play.pass(3600);
    assert!(play.since.is_some());
    play.renewing = vec![4];
    let took = play.seconds_until(false, 120);
    assert!(took.is_some_and(|took| took >= CALM.as_secs()), "{took:?}");
    play.pass(600);
    assert_eq!(play.turns, 2);
}

#[test]
fn nodes_that_come_and_go_turn_nothing_each_time() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    for _ in 0..20 {
        play.renewing.clear();
        play.pass(40);
        play.renewing = vec![4];
        play.pass(20);
    }
    assert_eq!(play.turns, 1);
}

#[test]
fn after_an_outage_of_the_api_server_nodes_have_their_time() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    play.renewing.clear();
    for _ in 0..300 {
        let heartbeats = play.pulse.forget();
        play.decide(heartbeats);
        play.now += 1;
    }
    // Kubelet's longest pause between tries.
    play.pass(7);
    play.renewing = vec![4];
    play.pass(600);
    assert_eq!(play.turns, 0);
}

#[test]
fn a_manager_that_starts_meanwhile_leaves_everything_as_it_runs() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    play.renewing.clear();
    play.pass(60);
    let before = play.since;
    play.pulse = Pulse::default();
    play.pass(600);
    assert_eq!((play.since, play.turns), (before, 1), "the time is that of the beginning");
    play.pulse = Pulse::default();
    play.renewing = vec![4];
    play.pass(600);
    assert_eq!(play.turns, 2);
}

#[test]
fn an_api_server_that_does_not_answer_meanwhile_changes_nothing() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    play.renewing.clear();
    play.pass(60);
    for _ in 0..60 {
        let heartbeats = play.pulse.forget();
        play.decide(heartbeats);
    }
    play.pass(60);
    assert_eq!(play.turns, 1);
}

#[test]
fn a_node_beside_those_that_were_lost_before_is_a_single_one() {
    let mut play = Play::with_nodes(&[1]);
    play.pass(60);
    play.renewing.clear();
    play.pass(600);
    assert_eq!((play.since, play.turns), (None, 0));
}

#[test]
fn nodes_that_are_deleted_until_one_is_left_end_it_and_too_few_never_begin_it() {
    let silent = |ready| Heartbeats::Silent { ready };
    assert_eq!(cut_off(Some(noon()), Heartbeats::TooFew, noon()), None);
    assert_eq!(cut_off(None, silent(Some(1)), noon()), None);
    assert_eq!(cut_off(None, silent(None), noon()), None, "not counted yet");
    assert_eq!(cut_off(Some(noon()), silent(Some(0)), noon()), Some(noon()), "it has begun");
}

#[test]
fn what_is_not_known_begins_and_ends_nothing() {
    for heartbeats in [Heartbeats::Unknown, Heartbeats::Returning] {
        for since in [None, Some(noon())] {
            assert_eq!(cut_off(since, heartbeats, noon()), since);
        }
    }
}

#[test]
fn a_database_that_was_brought_back_is_looked_at_anew() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    (play.version, play.newest) = (7, Some(5));
    play.renewing.clear();
    play.pass(19);
    assert_eq!(play.turns, 0);
}

#[test]
fn a_manager_that_stood_still_has_seen_nothing_meanwhile() {
    let mut play = Play::with_nodes(&[1, 4]);
    play.pass(60);
    // Nor could nodes renew: it all stood still together.
    play.now += 60;
    play.renewing.clear();
    play.pass(7);
    play.renewing = vec![4];
    play.pass(60);
    assert_eq!(play.turns, 0);
}

#[test]
fn kubelets_that_renew_less_often_are_waited_for() {
    assert_eq!(patience(seconds(40)), seconds(20));
    assert_eq!(patience(seconds(60)), seconds(30));
    assert_eq!(patience(seconds(4)), PATIENCE);
    assert_eq!(patience(Duration::MAX), LONGEST_PATIENCE);
}

#[test]
fn without_a_lease_there_is_nothing_to_go_by() {
    let mut pulse = Pulse::default();
    for second in 0..120 {
        let at = seconds(second);
        let look = Look { at, version: second + 1, newest: None, patience: PATIENCE };
        assert_eq!(pulse.take(look), Heartbeats::Unknown);
    }
}
