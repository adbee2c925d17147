//! Waiting for something that happens by itself, telling each change on the way there.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::{say, step};

/// Between two looks: kubectl takes a tenth of a second of CPU each time.
const PAUSE: Duration = Duration::from_millis(500);
const WIDTH: usize = 110;

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
                say(&format!("  {}", shortened(&seen)));
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

/// The beginning of what was seen, as long as a terminal's line.
fn shortened(seen: &str) -> String {
    let line = seen.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shortened("short\nmore"), "short");
        let cut = shortened(&"ü".repeat(WIDTH + 1));
        assert_eq!(cut.chars().count(), WIDTH + 1);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn a_wait_that_ends_says_what_was_there_instead() {
        let look = || Ok(Look::NotYet("2 of 3 pods".to_owned()));
        let error = await_that("wait for pods", Duration::ZERO, look).unwrap_err();
        assert!(error.to_string().ends_with("last seen: 2 of 3 pods"), "{error}");
    }
}
