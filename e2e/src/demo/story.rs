//! The chapters of the demo: what each came to, and how long it took.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::progress::{say, seconds};

/// What has been told so far.
pub struct Story {
    begun: Instant,
    chapters: Vec<Chapter>,
}

struct Chapter {
    title: String,
    outcome: String,
    time: Duration,
}

impl Story {
    /// An empty one, from now on.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), chapters: Vec::new() }
    }

    /// Does one part, which returns what it came to.
    ///
    /// # Errors
    /// The part's.
    pub fn chapter(&mut self, title: &str, work: impl FnOnce() -> Result<String>) -> Result<()> {
        say(&format!("\n{}. {title}", self.chapters.len() + 1));
        let started = Instant::now();
        let outcome = work()?;
        self.chapters.push(Chapter { title: title.to_owned(), outcome, time: started.elapsed() });
        Ok(())
    }

    /// The whole story, a line for each chapter and its time.
    pub fn told(&self) -> String {
        let mut lines = vec![format!("\nIn {}:", seconds(self.begun.elapsed()))];
        for chapter in &self.chapters {
            let time = seconds(chapter.time);
            lines.push(format!("{time:>9}  {}\n{:>9}  {}", chapter.title, "", chapter.outcome));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_told_with_its_outcome_and_time() {
        let mut story = Story::begin();
        story.chapter("A machine", || Ok("joined".to_owned())).unwrap();
        assert!(story.told().contains("0.0 s  A machine\n           joined"), "{}", story.told());
    }

    #[test]
    fn a_failed_chapter_ends_the_story() {
        let mut story = Story::begin();
        let failed = story.chapter("A machine", || Err(crate::error::Error::Interrupted));
        assert!(failed.is_err());
        assert!(!story.told().contains("A machine"));
    }
}
