//! What is counted, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Over, Refusal};

/// How long answers and events may be under way when nothing more is asked.
const SETTLE: Duration = Duration::from_secs(35);

/// The line at the end.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Requests.
    pub sent: u64,
    /// Of them refused, reset or not answered within 30 s.
    pub failed: u64,
    /// Of them put off by the server before it began, and asked once more.
    pub deferred: u64,
    /// How long was asked, in seconds.
    pub seconds: f64,
    /// Slowest answer, in seconds.
    pub slowest_s: f64,
    /// Longest time without a successful answer, in seconds.
    pub longest_gap_s: f64,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Objects that are older now than a write that was acknowledged.
    pub lost: usize,
    /// Acknowledged writes that the watch never showed.
    pub unseen: usize,
    /// Events that the watch showed out of order, and resource versions that it could not go on from.
    pub watch_gaps: u64,
    /// Streams of the watch that ended.
    pub watch_restarts: u64,
    /// Failures by kind of connection and cause.
    pub causes: BTreeMap<String, u64>,
}

/// Counts.
pub struct Tally(Mutex<Counts>);

struct Counts {
    report: Report,
    answered: u64,
    began: Instant,
    last_asked: Option<Instant>,
    last_success: Instant,
    /// By object, the newest version that was acknowledged.
    newest: BTreeMap<String, u64>,
    acknowledged: BTreeSet<u64>,
    shown: BTreeSet<u64>,
}

impl Counts {
    /// From the last success, or from the beginning.
    fn end_of_gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last_success).as_secs_f64();
        self.report.longest_gap_s = self.report.longest_gap_s.max(gap);
        self.last_success = self.last_success.max(now);
    }
}

impl Default for Tally {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Counts {
            report: Report::default(),
            answered: 0,
            began: now,
            last_asked: None,
            last_success: now,
            newest: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            shown: BTreeSet::new(),
        }))
    }
}

impl Tally {
    pub fn sent(&self) {
        self.with(|counts| {
            let now = Instant::now();
            counts.report.sent += 1;
            counts.last_asked = Some(now);
            counts.report.seconds = now.duration_since(counts.began).as_secs_f64();
        });
    }

    /// `Ok(Some)`: a write of that object, which is that version now.
    pub fn answered(
        &self,
        over: Over,
        took: Duration,
        answer: Result<Option<(String, u64)>, Refusal>,
    ) {
        self.with(|counts| {
            counts.answered += 1;
            counts.report.slowest_s = counts.report.slowest_s.max(took.as_secs_f64());
            let written = match answer {
                Ok(written) => written,
                Err(refusal) => {
                    let over = if over == Over::Shared { "shared" } else { "fresh" };
                    counts.report.failed += 1;
                    *counts.report.causes.entry(format!("{over}: {refusal}")).or_default() += 1;
                    return;
                }
            };
            counts.end_of_gap(Instant::now());
            if let Some((object, version)) = written {
                let newest = counts.newest.entry(object).or_default();
                *newest = version.max(*newest);
                counts.acknowledged.insert(version);
            }
        });
    }

    /// An event of the watch, after one of version `last`.
    pub fn event(&self, version: u64, last: u64) {
        self.with(|counts| {
            if version <= last {
                counts.report.watch_gaps += 1;
            }
            counts.shown.insert(version);
        });
    }

    pub fn gap(&self) {
        self.with(|counts| counts.report.watch_gaps += 1);
    }

    pub fn stream_ended(&self) {
        self.with(|counts| counts.report.watch_restarts += 1);
    }

    /// Until every question is answered and every acknowledged write was shown, but not for ever.
    pub async fn settle(&self) {
        let started = Instant::now();
        let settled = |counts: &mut Counts| {
            counts.answered == counts.report.sent && counts.acknowledged.is_subset(&counts.shown)
        };
        while !self.with(settled) && started.elapsed() < SETTLE {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `now`: the versions of the objects at the end.
    pub fn report(&self, now: &BTreeMap<String, u64>, deferred: u64) -> Value {
        self.with(|counts| {
            counts.report.deferred = deferred;
            counts.report.acknowledged = counts.acknowledged.len();
            counts.end_of_gap(counts.last_asked.unwrap_or(counts.began));
            let is_lost = |(object, version): &(&String, &u64)| now.get(*object) < Some(*version);
            counts.report.lost = counts.newest.iter().filter(is_lost).count();
            let unseen: Vec<_> = counts.acknowledged.difference(&counts.shown).collect();
            if !unseen.is_empty() {
                eprintln!("unseen versions: {unseen:?}; the last shown: {:?}", counts.shown.last());
            }
            counts.report.unseen = unseen.len();
            json!(counts.report)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tally: &Tally, object: &str, version: u64) {
        tally.answered(Over::Shared, Duration::ZERO, Ok(Some((object.to_owned(), version))));
    }

    #[test]
    fn an_acknowledged_write_that_is_not_there_is_lost_and_one_not_shown_is_unseen() {
        let tally = Tally::default();
        written(&tally, "a", 7);
        written(&tally, "a", 9);
        written(&tally, "b", 8);
        tally.event(7, 6);
        tally.event(9, 7);
        let report = tally.report(&[("a".to_owned(), 9), ("b".to_owned(), 5)].into(), 0);
        assert_eq!((&report["lost"], &report["unseen"]), (&json!(1), &json!(1)));
        assert_eq!(
            tally.report(&BTreeMap::new(), 0)["lost"],
            2,
            "an object that is gone is lost too"
        );
    }

    #[test]
    fn a_failure_is_counted_by_its_cause() {
        let tally = Tally::default();
        tally.sent();
        tally.answered(Over::Fresh, Duration::ZERO, Err("status 503".to_owned()));
        let report = tally.report(&BTreeMap::new(), 0);
        assert_eq!(report["failed"], 1);
        assert_eq!(report["causes"], json!({"fresh: status 503": 1}));
    }

    #[test]
    fn an_event_out_of_order_is_a_gap() {
        let tally = Tally::default();
        tally.event(7, 6);
        tally.event(7, 7);
        assert_eq!(tally.report(&BTreeMap::new(), 0)["watch_gaps"], 1);
    }
}
