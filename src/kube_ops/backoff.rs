//! How long to wait before an object that failed is tried again. kube has no back-off per object.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_mins(2);

/// Counts failures in a row per object. Remembers only objects that fail now.
#[derive(Debug)]
pub struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self { failures: Mutex::default() }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// One more failure of `key`; how long to wait: 200 ms, doubled each time, at most 2 minutes.
    pub fn failed(&self, key: K) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let before = failures.entry(key).or_insert(0);
        let delay = FIRST.saturating_mul(2_u32.saturating_pow(*before)).min(LONGEST);
        *before = before.saturating_add(1);
        delay
    }

    /// `key` succeeded, or is gone: the next failure is a first one again.
    pub fn forget(&self, key: &K) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_limit_and_starts_again_after_success() {
        let backoff = Backoff::default();
        let delays: Vec<_> = (0..12).map(|_| backoff.failed("demo")).collect();
        assert_eq!(delays[..3], [200, 400, 800].map(Duration::from_millis));
        assert_eq!(delays[11], LONGEST);
        backoff.forget(&"demo");
        assert_eq!(backoff.failed("demo"), FIRST);
    }

    #[test]
    fn one_object_does_not_slow_another() {
        let backoff = Backoff::default();
        backoff.failed("broken");
        assert_eq!(backoff.failed("demo"), FIRST);
    }
}
