//! What follows from a Lease that was read: client-go's `tryAcquireOrRenew`, without clock and I/O.
//!
//! Whether a Lease has expired is never read off its times: two machines' clocks differ. It has if it did
//! not change, on our clock, for as long as it is good for since we first saw it as it is.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::{LEASE, LEASE_DURATION, RETRY_PERIOD};

/// What one candidate has seen of the Lease.
#[derive(Debug)]
pub struct Election {
    identity: String,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    spec: LeaseSpec,
    since: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// POST this Lease: there is none.
    Create(Lease),
    /// PUT this Lease, which has the resourceVersion of the one that was read.
    Update(Lease),
    /// Somebody else has it: look again after so long.
    Wait(Duration),
}

impl Election {
    /// Candidate `identity`, who has seen nothing.
    #[must_use]
    pub const fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// `live` has just been read. `now` is our own clock's, `wall` is only written down for people.
    pub fn step(&mut self, live: Option<&Lease>, now: Duration, wall: Timestamp) -> Step {
        let Some(live) = live else {
            let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            let spec = self.taken(0, wall);
            return Step::Create(Lease { metadata, spec: Some(spec) });
        };
        let spec = live.spec.clone().unwrap_or_default();
        let since = self.since(&spec, now);
        let transitions = spec.lease_transitions.unwrap_or(0);
        let next = match holder(&spec) {
            Some(holder) if holder == self.identity => LeaseSpec {
                acquire_time: spec.acquire_time.clone(),
                ..self.taken(transitions, wall)
            },
            Some(_) => {
                let left = (since + good_for(&spec)).saturating_sub(now);
                if !left.is_zero() {
                    return Step::Wait(left.min(RETRY_PERIOD));
                }
                self.taken(transitions.saturating_add(1), wall)
            }
            None => self.taken(transitions.saturating_add(1), wall),
        };
        Step::Update(Lease { metadata: live.metadata.clone(), spec: Some(next) })
    }

    /// The Lease that lets the next candidate have it at once.
    #[must_use]
    pub fn released(mine: &Lease, wall: Timestamp) -> Lease {
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(wall)),
            ..mine.spec.clone().unwrap_or_default()
        };
        Lease { metadata: mine.metadata.clone(), spec: Some(spec) }
    }

    fn taken(&self, transitions: i32, wall: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            acquire_time: Some(MicroTime(wall)),
            renew_time: Some(MicroTime(wall)),
            ..LeaseSpec::default()
        }
    }

    /// Since when the Lease has been as it is, as far as we saw.
    fn since(&mut self, spec: &LeaseSpec, now: Duration) -> Duration {
        match &self.seen {
            Some(seen) if seen.spec == *spec => seen.since,
            _ => {
                self.seen = Some(Seen { spec: spec.clone(), since: now });
                now
            }
        }
    }
}

/// Who has the Lease, by what it says; none if it was released.
#[must_use]
pub fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn good_for(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(LEASE_DURATION, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn after(seconds: u64) -> Duration {
        START + Duration::from_secs(seconds)
    }

    /// A candidate whose wall clock is an hour wrong, each in another direction.
    struct Candidate(Election, Timestamp);

    impl Candidate {
        fn new(name: &str, wall: &str) -> Self {
            Self(Election::new(name.to_owned()), wall.parse().unwrap())
        }

        fn looks(&mut self, live: Option<&Lease>, now: Duration) -> Step {
            self.0.step(live, now, self.1 + now)
        }
    }

    fn two() -> (Candidate, Candidate) {
        (Candidate::new("a", "2026-01-01T11:00:00Z"), Candidate::new("b", "2026-01-01T13:00:00Z"))
    }

    fn written(step: Step) -> Lease {
        match step {
            Step::Create(lease) | Step::Update(lease) => lease,
            Step::Wait(time) => panic!("waits for {time:?}"),
        }
    }

    fn spec(lease: &Lease) -> &LeaseSpec {
        lease.spec.as_ref().unwrap()
    }

    #[test]
    fn who_finds_no_lease_makes_it() {
        let (mut a, _) = two();
        let step = a.looks(None, START);
        assert!(matches!(&step, Step::Create(_)));
        let lease = written(step);
        assert_eq!(holder(spec(&lease)), Some("a"));
        assert_eq!(spec(&lease).lease_duration_seconds, Some(15));
    }

    #[test]
    fn a_lease_that_is_renewed_is_never_taken() {
        let (mut a, mut b) = two();
        let mut lease = written(a.looks(None, START));
        for second in (2..60).step_by(2) {
            assert_eq!(b.looks(Some(&lease), after(second)), Step::Wait(RETRY_PERIOD));
            lease = written(a.looks(Some(&lease), after(second)));
        }
        assert_eq!(spec(&lease).lease_transitions, Some(0));
    }

    #[test]
    fn a_lease_that_does_not_change_for_15_s_is_taken_whatever_its_times_say() {
        let (mut a, mut b) = two();
        let mut lease = written(a.looks(None, START));
        lease.metadata.resource_version = Some("7".to_owned());
        assert_eq!(b.looks(Some(&lease), after(1)), Step::Wait(RETRY_PERIOD));
        assert_eq!(b.looks(Some(&lease), after(15)), Step::Wait(Duration::from_secs(1)));
        let taken = written(b.looks(Some(&lease), after(16)));
        assert_eq!(holder(spec(&taken)), Some("b"));
        assert_eq!(spec(&taken).lease_transitions, Some(1));
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
        assert!(matches!(a.looks(Some(&taken), after(17)), Step::Wait(_)));
    }

    #[test]
    fn a_lease_that_was_released_is_taken_at_once() {
        let (mut a, mut b) = two();
        let lease = written(a.looks(None, START));
        assert!(matches!(b.looks(Some(&lease), after(1)), Step::Wait(_)));
        let released = Election::released(&lease, Timestamp::UNIX_EPOCH);
        assert_eq!(holder(spec(&written(b.looks(Some(&released), after(2))))), Some("b"));
    }

    #[test]
    fn a_renewal_keeps_the_time_of_taking() {
        let (mut a, _) = two();
        let lease = written(a.looks(None, START));
        let renewed = written(a.looks(Some(&lease), after(2)));
        assert_eq!(spec(&renewed).acquire_time, spec(&lease).acquire_time);
        assert_ne!(spec(&renewed).renew_time, spec(&lease).renew_time);
    }
}
