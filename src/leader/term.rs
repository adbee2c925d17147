//! For how long this process may write, by its own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::RENEW_DEADLINE;

/// The time since some moment that stays the same.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// `CLOCK_BOOTTIME`: goes on while the process is stopped and while its machine sleeps, and nobody sets it.
#[must_use]
pub fn boot_clock() -> Clock {
    Arc::new(|| {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or_default(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        )
    })
}

/// The time in which this process may write. Clones share it; it has not begun at first.
#[derive(Clone)]
pub struct Term {
    clock: Clock,
    /// Milliseconds on `clock`.
    ends: Arc<AtomicU64>,
}

impl Term {
    /// A term on `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, ends: Arc::default() }
    }

    /// Whether this process may write now.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.left().is_zero()
    }

    /// How much of it is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        Duration::from_millis(self.ends.load(Ordering::SeqCst)).saturating_sub(self.now())
    }

    /// What the clock says.
    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// The Lease was taken or renewed with a request that was sent at `sent`. When it was answered does not
    /// count: others count from when it was written.
    pub(super) fn renewed(&self, sent: Duration) {
        let ends = (sent + RENEW_DEADLINE).as_millis();
        self.ends.store(u64::try_from(ends).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// From now on nothing is written.
    pub(super) fn end(&self) {
        self.ends.store(0, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Term").field("left", &self.left()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn a_term_counts_from_when_the_renewal_was_sent_also_while_the_process_stands_still() {
        let seconds = Arc::new(AtomicU64::new(100));
        let clock = Arc::clone(&seconds);
        let term = Term::new(Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))));
        assert!(!term.is_on(), "nothing was taken yet");
        let sent = term.now();
        seconds.store(104, Ordering::SeqCst);
        term.renewed(sent);
        assert_eq!(term.left(), Duration::from_secs(6));
        seconds.store(110, Ordering::SeqCst);
        assert!(!term.is_on());
    }

    #[test]
    fn a_term_that_was_ended_is_over_at_once() {
        let term = Term::new(boot_clock());
        term.renewed(term.now());
        assert!(term.is_on());
        term.end();
        assert!(!term.is_on());
    }
}
