//! What goes wrong on purpose: the k-th write from now, or one request in so many, as a seed decides.

use std::collections::BTreeMap;
use std::time::Duration;

use super::request::Request;
use super::storm::{Storm, Trouble};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status code, and not done.
    Refused(u16),
    /// Not done; after so long the connection breaks.
    Lost(Duration),
    /// Done, but after so long the connection breaks before the answer.
    AnswerLost(Duration),
    /// Done and never answered: for a manager that is killed at this moment.
    Silence,
    /// Answered as before the last so many changes, as a cache that lags behind.
    Stale(u64),
}

/// Faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    planned: BTreeMap<usize, Fault>,
    writes: usize,
    storm: Option<Storm>,
    /// Nobody is answered.
    pub outage: bool,
}

impl Faults {
    /// Plans `fault` for the write number `write` from now, the next one being 1.
    pub fn plan(&mut self, write: usize, fault: Fault) {
        self.planned.insert(self.writes + write, fault);
    }

    /// Whether every planned fault has happened.
    pub fn all_happened(&self) -> bool {
        self.planned.is_empty()
    }

    /// No planned fault will happen.
    pub fn forget_planned(&mut self) {
        self.planned.clear();
    }

    /// From now on requests fail at random; `None`: no longer.
    pub fn set_storm(&mut self, storm: Option<Storm>) {
        self.storm = storm;
    }

    pub fn count_struck(&self) -> usize {
        self.storm.as_ref().map_or(0, |storm| storm.log.len())
    }

    /// What becomes of a request that has come.
    pub fn next(&mut self, request: &Request, is_change: bool) -> Option<Fault> {
        if is_change {
            self.writes += 1;
            if let Some(planned) = self.planned.remove(&self.writes) {
                return Some(planned);
            }
        }
        self.storm.as_mut().and_then(|storm| storm.fault(request))
    }

    /// What becomes of a watch that is opened.
    pub fn next_watch(&mut self, request: &Request) -> Trouble {
        self.storm.as_mut().map(|storm| storm.trouble(request)).unwrap_or_default()
    }
}
