//! Waiting for something that happens by itself, telling each change on the way there.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::{say, step};

/// Between two looks: kubectl takes a tenth of a second of CPU each time.
const PAUSE: Duration = Duration::from_millis(500);

/// What a look at the world found.
pub enum Look {
    /// What was awaited.
    Done,
    /// Something else, in words.
    NotYet(String),
}

/// Looks until it is there. A look that fails is repeated too: what is awaited may be the very thing
/// that answers.
///
/// # Errors
/// It is not there in time (the text says what was there instead), or the user interrupts.
pub fn await_that(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Look>,
) -> Result<()> {
    step(what, || {
        let (started, mut told) = (Instant::now(), String::new());
        loop {
            let seen = match look() {
                Ok(Look::Done) => return Ok(()),
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Ok(Look::NotYet(seen)) => seen,
                Err(error) => error.to_string(),
            };
            if seen != told {
                say(&format!("  {}", seen.lines().next().unwrap_or_default()));
                told.clone_from(&seen);
            }
            if started.elapsed() > within {
                let (what, seconds) = (what.to_owned(), within.as_secs());
                return Err(Error::Timeout { what, seconds, hint: format!("last seen: {seen}") });
            }
            thread::sleep(PAUSE);
            interrupt::check()?;
        }
    })
}
