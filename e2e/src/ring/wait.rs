//! Waiting for something, with progress, a deadline and the last thing seen in the error.

use std::thread;
use std::time::{Duration, Instant};

use super::{Failure, Outcome};
use crate::interrupt;
use crate::progress::{seconds, step};

/// Between two looks: kubectl takes up to a tenth of a second of CPU each time, away from what is being waited for.
const PAUSE: Duration = Duration::from_millis(250);
/// A wait that takes long already is looked at less often: each twentieth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a look at the world found.
pub enum Look<T> {
    /// What was awaited.
    Done(T),
    /// Something else, in words.
    NotYet(String),
}

impl<T> Look<T> {
    /// `Done` if there is something.
    pub fn some(found: Option<T>, otherwise: impl FnOnce() -> String) -> Self {
        found.map_or_else(|| Self::NotYet(otherwise()), Self::Done)
    }
}

impl Look<()> {
    /// `Done` if it holds.
    pub fn done_if(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        if holds { Self::Done(()) } else { Self::NotYet(otherwise()) }
    }
}

/// Looks until something is there. A look that fails is repeated too: what is being waited for may be
/// the very thing that answers.
///
/// # Errors
/// It is not there in time; the text says what was there instead.
pub fn wait_until<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Outcome<Look<T>>,
) -> Outcome<T> {
    let within = within * patience();
    step(what, || {
        let started = Instant::now();
        loop {
            let seen = match look() {
                Ok(Look::Done(found)) => return Ok(found),
                Ok(Look::NotYet(seen)) => seen,
                Err(failure) => failure.to_string(),
            };
            interrupt::check()?;
            if started.elapsed() > within {
                let limit = seconds(within);
                return Err(Failure::new(format!("not within {limit}: {what}; last seen: {seen}")));
            }
            thread::sleep((started.elapsed() / 20).clamp(PAUSE, LONGEST_PAUSE));
        }
    })
}

/// `NAGAYA_RING_PATIENCE` multiplies every deadline, for a machine that does other work at the same time.
/// 1 where nobody says otherwise: the deadlines are what Nagaya promises. `.ci/run` says 2.
pub(super) fn patience() -> u32 {
    let wanted = std::env::var("NAGAYA_RING_PATIENCE").ok();
    wanted.and_then(|factor| factor.parse().ok()).unwrap_or(1).max(1)
}

/// Looks again and again for as long as `time`, and fails as soon as it no longer holds.
///
/// # Errors
/// It stops holding, or cannot be looked at.
pub fn stays(what: &str, time: Duration, mut look: impl FnMut() -> Outcome) -> Outcome {
    step(what, || {
        let started = Instant::now();
        while started.elapsed() < time {
            look().map_err(|failure| Failure::new(format!("{what}: {failure}")))?;
            interrupt::check()?;
            thread::sleep(PAUSE);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ends_says_what_was_there_instead() {
        let look = || Ok(Look::<()>::NotYet("2 of 3".to_owned()));
        let failure = wait_until("three pods", Duration::ZERO, look).unwrap_err();
        assert_eq!(failure.to_string(), "not within 0.0 s: three pods; last seen: 2 of 3");
    }

    #[test]
    fn a_look_that_fails_is_repeated() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            if looks < 3 { Err(Failure::new("refused")) } else { Ok(Look::Done(looks)) }
        };
        assert_eq!(wait_until("an answer", Duration::from_secs(5), look).unwrap(), 3);
    }

    #[test]
    fn what_stops_holding_is_a_failure_at_once() {
        let look = || Err(Failure::new("it went"));
        assert!(stays("it is there", Duration::from_mins(1), look).is_err());
    }
}
