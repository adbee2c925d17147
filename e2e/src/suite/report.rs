//! What each part came to and how long it took; the last line is for programs that count.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::progress::{say, seconds};

/// Of what a part that failed said, so many lines are said again under the table: whoever reads the end reads why.
const LAST_WORDS: usize = 40;

/// How many tests passed and failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// What those that failed said at last.
    pub last_words: Vec<String>,
}

impl Counts {
    /// One check that passed.
    pub fn check() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that failed.
    fn failure(error: &Error) -> Self {
        let last_words = error.to_string().lines().map(str::to_owned).collect();
        Self { failed: 1, last_words, ..Self::default() }
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

impl Part {
    fn last_words(&self) -> Vec<String> {
        let said = &self.counts.last_words;
        if self.counts.failed == 0 || said.is_empty() {
            return Vec::new();
        }
        let left_out = said.len().saturating_sub(LAST_WORDS);
        let title = format!("The last words of {}:", self.name);
        let words = said[left_out..].iter().map(|line| format!("  {line}"));
        [title].into_iter().chain(words).chain([String::new()]).collect()
    }
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
                Counts::failure(&error)
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
        for Part { name, time, counts: Counts { passed, failed, .. } } in &self.parts {
            lines.push(format!("{:>9}  {passed:>6}  {failed:>6}  {name}", seconds(*time)));
        }
        lines.push(format!("{:>9}  in all\n", seconds(self.began.elapsed())));
        self.parts.iter().for_each(|part| lines.extend(part.last_words()));
        let sum = |count: fn(&Counts) -> usize| -> usize {
            self.parts.iter().map(|part| count(&part.counts)).sum()
        };
        let (passed, failed) = (sum(|counts| counts.passed), sum(|counts| counts.failed));
        lines.push(format!("{passed} passed, {failed} failed"));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_all_parts_and_a_part_that_cannot_run_is_a_failure() {
        let mut report = Report::default();
        report.part("tests", || Ok(Counts { passed: 3, ..Counts::default() })).unwrap();
        assert!(report.passed());
        report.part("broken", || Err(Error::Refused("no".to_owned()))).unwrap();
        assert!(!report.passed() && !report.last_passed());
        assert_eq!(report.told().lines().last(), Some("3 passed, 1 failed"));
    }

    #[test]
    fn the_last_words_of_what_failed_are_under_the_table() {
        let said = |failed: usize| {
            let last_words = (0..100).map(|line| format!("{failed} line {line}")).collect();
            Counts { passed: 1, failed, last_words }
        };
        let mut report = Report::default();
        report.part("good", || Ok(said(0))).unwrap();
        report.part("bad", || Ok(said(1))).unwrap();
        let told = report.told();
        let (_, below) = told.split_once("in all").unwrap();
        assert!(below.contains("of bad:\n  1 line 60\n") && below.contains("  1 line 99\n"));
        assert!(!told.contains("line 59") && !told.contains("0 line"), "{told}");
    }

    #[test]
    fn an_interrupt_ends_the_suite() {
        let interrupted = Report::default().part("tests", || Err(Error::Interrupted));
        assert!(interrupted.is_err());
    }
}
