//! The wall clock. Whatever has a date asks it here, so that tests can set it wrong, as machines' clocks are.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// The time, as this clock has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead_seconds.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(ahead).unwrap_or_default()
    }

    /// From now on it is wrong by so much; behind if negative.
    pub fn set_ahead(&self, by: SignedDuration) {
        self.ahead_seconds.store(by.as_secs(), Ordering::Relaxed);
    }
}
