//! Waiting for something while everything runs; a program that ends is the end of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::daemon;
use crate::ring::{Failure, Look, Outcome};

/// Between two looks whether all still runs.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks `every` so often until something is there.
///
/// # Errors
/// A look fails, something has ended, or it is not there `within` that time; the text says what was there instead.
pub fn until<T>(
    what: &str,
    within: Duration,
    every: Duration,
    mut look: impl FnMut() -> Outcome<Look<T>>,
) -> Outcome<T> {
    let started = Instant::now();
    loop {
        let seen = match look()? {
            Look::Done(found) => return Ok(found),
            Look::NotYet(seen) => seen,
        };
        if started.elapsed() > within {
            return Err(Failure::new(format!("not within {within:?}: {what}; last seen: {seen}")));
        }
        pause(every)?;
    }
}

/// A sleep that ends when something else does.
///
/// # Errors
/// Something has ended.
pub fn pause(time: Duration) -> Outcome {
    let until = Instant::now() + time;
    loop {
        daemon::all_run()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(PAUSE));
    }
}
