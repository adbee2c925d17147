//! What each part came to and how long it took; the last line is for programs that count.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::progress::{say, seconds};

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
}

impl Counts {
    /// One check that passed.
    pub fn check() -> Self {
        Self { passed: 1, failed: 0 }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// The parts so far.
pub struct Report {
    began: Instant,
    parts: Vec<Part>,
    /// What was seen running, line by line.
    pub ran: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self { began: Instant::now(), parts: Vec::new(), ran: Vec::new() }
    }
}

struct Part {
    name: String,
    time: Duration,
    counts: Counts,
}

impl Report {
    /// Runs a part. One that cannot be run counts as a failure; the suite goes on.
    ///
    /// # Errors
    /// The user interrupts.
    pub fn part(&mut self, name: &str, work: impl FnOnce() -> Result<Counts>) -> Result<()> {
        say(&format!("\n== {name}"));
        let started = Instant::now();
        let result = work();
        self.note(name, started.elapsed(), result)
    }

    /// Notes a part that has run.
    ///
    /// # Errors
    /// The user interrupted it.
    pub fn note(&mut self, name: &str, time: Duration, result: Result<Counts>) -> Result<()> {
        let counts = match result {
            Ok(counts) => counts,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                say(&error.to_string());
                Counts { passed: 0, failed: 1 }
            }
        };
        self.parts.push(Part { name: name.to_owned(), time, counts });
        Ok(())
    }

    /// Whether every part passed.
    pub fn passed(&self) -> bool {
        self.parts.iter().all(|part| part.counts.failed == 0)
    }

    /// Whether the last part passed.
    pub fn last_passed(&self) -> bool {
        self.parts.last().is_some_and(|part| part.counts.failed == 0)
    }

    /// The table, what ran, and the line that is counted.
    pub fn told(&self) -> String {
        let mut lines = vec![String::new()];
        if !self.ran.is_empty() {
            lines.push("What really ran:".to_owned());
            lines.extend(self.ran.iter().map(|line| format!("  {line}")));
        }
        lines.push(format!("\n{:>9}  {:>6}  {:>6}  PART", "TIME", "PASSED", "FAILED"));
        for Part { name, time, counts } in &self.parts {
            let (time, Counts { passed, failed }) = (seconds(*time), counts);
            lines.push(format!("{time:>9}  {passed:>6}  {failed:>6}  {name}"));
        }
        let all = self.parts.iter().fold(Counts::default(), |all, part| all.and(part.counts));
        lines.push(format!("{:>9}  in all\n", seconds(self.began.elapsed())));
        lines.push(format!("{} passed, {} failed", all.passed, all.failed));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_all_parts_and_a_part_that_cannot_run_is_a_failure() {
        let mut report = Report::default();
        report.part("tests", || Ok(Counts { passed: 3, failed: 0 })).unwrap();
        assert!(report.passed());
        report.part("broken", || Err(Error::Refused("no".to_owned()))).unwrap();
        assert!(!report.passed() && !report.last_passed());
        assert_eq!(report.told().lines().last(), Some("3 passed, 1 failed"));
    }

    #[test]
    fn an_interrupt_ends_the_suite() {
        let interrupted = Report::default().part("tests", || Err(Error::Interrupted));
        assert!(interrupted.is_err());
    }
}
