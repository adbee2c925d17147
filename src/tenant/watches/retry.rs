//! How fast a broken watch is started again: quickly, since joining nodes wait for it, and not for ever
//! quickly, since a tenant may be stopped for days.

use std::time::Duration;

use kube::runtime::utils::Backoff;

const FIRST: Duration = Duration::from_millis(200);
/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// 200 ms, doubled each time, at most 5 s; from the start again once the watch delivers.
#[derive(Debug)]
pub(super) struct Retry {
    next: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        Some(delay)
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_watch_is_started_again_after_five_seconds_at_most() {
        let mut retry = Retry::default();
        let delays: Vec<_> = retry.by_ref().take(8).collect();
        assert_eq!(delays[0], FIRST);
        assert_eq!(delays[7], LONGEST);
        retry.reset();
        assert_eq!(retry.next(), Some(FIRST));
    }
}
