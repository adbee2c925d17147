//! When the same object may be written again, though somebody undoes each write. Pure: the caller has the clock.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// So many repairs of an object are made at once: a hand that slips, a script that is mistaken.
const AT_ONCE: u32 = 5;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// Without a write for so long, what was before does not count.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// A contest whose last write stands for so long, or for as long as the next one would wait, is over.
const CALM: Duration = Duration::from_secs(30);

/// What undoes our writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The first field that is not as we wrote it.
    pub field: String,
    /// Who, in words.
    pub by: String,
    /// It happens within our own write, so that a write that stands ends the contest.
    pub in_our_write: bool,
}

/// Writes of one object that all wanted the same.
#[derive(Clone, Debug)]
pub struct Contest {
    wanted: String,
    writes: u32,
    last: Instant,
    since: Timestamp,
    /// Who undoes them, when known.
    pub rival: Option<Rival>,
}

impl Contest {
    /// Before a first write of what has the digest `wanted`.
    #[must_use]
    pub fn about(wanted: &str, now: Instant, since: Timestamp) -> Self {
        Self { wanted: wanted.to_owned(), writes: 0, last: now, since, rival: None }
    }

    /// Whether it is about another wish, or too long ago to count.
    #[must_use]
    pub fn is_another(&self, wanted: &str, now: Instant) -> bool {
        self.wanted != wanted || now.duration_since(self.last) >= FORGOTTEN
    }

    /// Whether the next write may be made.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        now.duration_since(self.last) >= self.pause()
    }

    /// A write was made; `rival` is whom its answer shows at work.
    pub fn note_write(&mut self, rival: Option<Rival>, now: Instant) {
        self.writes = self.writes.saturating_add(1);
        self.last = now;
        if rival.is_some() {
            self.writes = self.writes.max(AT_ONCE);
            self.rival = rival;
        }
    }

    /// The object is as it was written last. Whether that ends the contest.
    #[must_use]
    pub fn ends(&self, now: Instant) -> bool {
        let in_our_write = self.rival.as_ref().is_some_and(|rival| rival.in_our_write);
        let stands = now.duration_since(self.last);
        if self.is_contested() {
            in_our_write || stands >= self.pause().max(CALM)
        } else {
            stands >= FORGOTTEN
        }
    }

    /// Whether somebody undoes our writes, rather than once or twice.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.writes >= AT_ONCE
    }

    /// Whether the next write makes it one: time to ask who it is.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.writes + 1 >= AT_ONCE && self.rival.is_none()
    }

    /// Since when the same is written again and again.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    fn pause(&self) -> Duration {
        match self.writes.checked_sub(AT_ONCE) {
            None => Duration::ZERO,
            Some(more) => FIRST.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn written(times: u32, now: Instant) -> Contest {
        let mut contest = Contest::about("a", now, Timestamp::UNIX_EPOCH);
        for _ in 0..times {
            contest.note_write(None, now);
        }
        contest
    }

    fn rival() -> Rival {
        let (field, by) = ("spec.replicas".to_owned(), "admission".to_owned());
        Rival { field, by, in_our_write: true }
    }

    #[test]
    fn the_first_repairs_are_immediate_and_then_each_waits_twice_as_long_up_to_minutes() {
        let now = Instant::now();
        let pauses: Vec<u64> = (0..9).map(|times| written(times, now).pause().as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!(written(99, now).pause(), LONGEST);
        assert!(written(4, now).is_due(now));
        assert!(!written(6, now).is_due(now + seconds(1)));
        assert!(written(6, now).is_due(now + seconds(2)));
    }

    #[test]
    fn another_wish_or_a_long_rest_starts_anew() {
        let now = Instant::now();
        assert!(!written(5, now).is_another("a", now + seconds(400)));
        assert!(written(5, now).is_another("b", now));
        assert!(written(5, now).is_another("a", now + FORGOTTEN));
    }

    #[test]
    fn a_contest_ends_when_a_write_stands_for_as_long_as_the_next_would_have_waited() {
        let now = Instant::now();
        let contest = written(12, now);
        assert!(contest.is_contested());
        assert!(!contest.ends(now + seconds(100)));
        assert!(contest.ends(now + seconds(128)));
    }

    #[test]
    fn what_changes_our_write_itself_is_a_rival_at_once_and_until_a_write_stands() {
        let now = Instant::now();
        let mut contest = written(0, now);
        contest.note_write(Some(rival()), now);
        assert!(contest.is_contested());
        assert!(contest.ends(now));
    }
}
