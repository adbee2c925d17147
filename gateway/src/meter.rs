//! What a route has, and how much it may have: open connections, and new ones a second.
//!
//! A meter belongs to a Service and outlives changes of its route: what is open stays counted.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::refusal::Refusal;

/// So many seconds' worth of new connections may come at once: nodes that all come back.
const BURST_SECONDS: f64 = 5.0;
/// For how long it shows that a route was limited.
const SHOWN: Duration = Duration::from_mins(1);

/// How much a Service may have through one replica of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections.
    pub connections: u32,
    /// New connections a second.
    pub rate: u32,
}

/// What one Service has.
#[derive(Debug, Default)]
pub struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: u32,
    /// By the number of the [`Place`]: to end them.
    relays: HashMap<u64, AbortHandle>,
    next: u64,
    bucket: Option<Bucket>,
    limited: [Option<Limited>; 2],
}

/// New connections that may come now, and when that was true.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Refusals by one limit since they began to come without a pause of a minute.
#[derive(Clone, Copy, Debug)]
struct Limited {
    refused: u64,
    /// How much it might have at the last of them: it may have more by now.
    most: u32,
    first: Instant,
    last: Instant,
}

/// One open connection; counted until it is dropped.
#[derive(Debug)]
pub struct Place {
    meter: Arc<Meter>,
    number: u64,
}

impl Meter {
    /// A place for one more connection.
    ///
    /// # Errors
    /// [`Refusal::TooManyConnections`] or [`Refusal::ConnectionsTooFast`].
    pub fn admit(self: &Arc<Self>, limits: Limits, now: Instant) -> Result<Place, Refusal> {
        let mut state = self.state();
        if state.open >= limits.connections {
            state.note(0, limits.connections, now);
            return Err(Refusal::TooManyConnections);
        }
        if !state.takes_from_bucket(limits.rate, now) {
            state.note(1, limits.rate, now);
            return Err(Refusal::ConnectionsTooFast);
        }
        state.open += 1;
        state.next += 1;
        Ok(Place { meter: Arc::clone(self), number: state.next })
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.state().open
    }

    /// Ends all connections that are copied.
    pub fn cut(&self) -> usize {
        let relays: Vec<AbortHandle> = self.state().relays.drain().map(|(_, one)| one).collect();
        // Without the lock: a place that is given back takes it.
        relays.iter().for_each(AbortHandle::abort);
        relays.len()
    }

    /// Why connections were refused in the last minute: each limit by its refusal, by how much it was then, and in a sentence.
    #[must_use]
    pub fn limited(&self, limits: Limits, now: Instant) -> Vec<(Refusal, u32, String)> {
        let state = self.state();
        let because = [
            (
                Refusal::TooManyConnections,
                format!("it has {} of {} connections", state.open, limits.connections),
            ),
            (
                Refusal::ConnectionsTooFast,
                format!("it got more than {} new connections a second", limits.rate),
            ),
        ];
        let shown = |limited: &Option<Limited>| {
            limited.filter(|limited| now.saturating_duration_since(limited.last) < SHOWN)
        };
        let both = state.limited.iter().map(shown).zip(because);
        both.filter_map(|(limited, (refusal, why))| {
            let limited = limited?;
            Some((refusal, limited.most, format!("because {why}; {}", limited.told(now))))
        })
        .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn takes_from_bucket(&mut self, rate: u32, now: Instant) -> bool {
        let rate = f64::from(rate);
        let most = rate * BURST_SECONDS;
        let bucket = self.bucket.get_or_insert(Bucket { left: most, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = passed.mul_add(rate, bucket.left).min(most);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    fn note(&mut self, limit: usize, most: u32, now: Instant) {
        let is_recent = |limited: &Limited| now.saturating_duration_since(limited.last) < SHOWN;
        let before = self.limited[limit].filter(is_recent);
        let before = before.unwrap_or(Limited { refused: 0, most, first: now, last: now });
        let refused = before.refused + 1;
        self.limited[limit] = Some(Limited { refused, most, last: now, ..before });
    }
}

impl Limited {
    fn told(self, now: Instant) -> String {
        let ago = |at: Instant| now.saturating_duration_since(at).as_secs();
        let Self { refused, first, last, .. } = self;
        format!("{refused} refused since {} s ago, the last {} s ago", ago(first), ago(last))
    }
}

impl Place {
    /// From now on [`Meter::cut`] ends that task.
    pub fn is_held_by(&self, task: AbortHandle) {
        self.meter.state().relays.insert(self.number, task);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.open -= 1;
        let task = state.relays.remove(&self.number);
        drop(state);
        // Without the lock: the last handle may free the task.
        drop(task);
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} connections, {} new ones a second", self.connections, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { connections: 3, rate: 1 };

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let (meter, now) = (Arc::new(Meter::default()), Instant::now());
        let places: Vec<Place> = (0..3).map(|_| meter.admit(LIMITS, now).unwrap()).collect();
        assert_eq!(meter.admit(LIMITS, now).unwrap_err(), Refusal::TooManyConnections);
        drop(places);
        assert_eq!(meter.open(), 0);
        assert!(meter.admit(LIMITS, now).is_ok());
    }

    #[test]
    fn five_seconds_worth_come_at_once_and_then_one_a_second() {
        let (meter, now) = (Arc::new(Meter::default()), Instant::now());
        let after = |seconds| now + Duration::from_secs_f64(seconds);
        for _ in 0..5 {
            drop(meter.admit(LIMITS, now).unwrap());
        }
        let too_fast = Refusal::ConnectionsTooFast;
        assert_eq!(meter.admit(LIMITS, after(0.5)).unwrap_err(), too_fast);
        drop(meter.admit(LIMITS, after(1.0)).unwrap());
        assert_eq!(meter.admit(LIMITS, after(1.5)).unwrap_err(), too_fast);
        for _ in 0..5 {
            drop(meter.admit(LIMITS, after(100.0)).unwrap());
        }
        assert_eq!(meter.admit(LIMITS, after(100.0)).unwrap_err(), too_fast);
    }

    #[test]
    fn who_was_limited_says_so_for_a_minute() {
        let (meter, now) = (Arc::new(Meter::default()), Instant::now());
        let none = Limits { connections: 0, rate: 1 };
        for seconds in 0..10 {
            meter.admit(none, now + Duration::from_secs(seconds)).unwrap_err();
        }
        let told = meter.limited(none, now + Duration::from_secs(20));
        let expected =
            "because it has 0 of 0 connections; 10 refused since 20 s ago, the last 11 s ago";
        assert_eq!(told, [(Refusal::TooManyConnections, 0, expected.to_owned())]);
        let more = Limits { connections: 9, ..none };
        let (.., most, _) = &meter.limited(more, now + Duration::from_secs(20))[0];
        assert_eq!(*most, 0, "the limit that has refused");
        assert!(meter.limited(none, now + Duration::from_secs(70)).is_empty());
    }
}
