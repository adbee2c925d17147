//! When the manager is ready: once all that it waits for at start has come.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What the manager still waits for. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeSet<&'static str>>>,
}

/// One thing to wait for. Not passed when dropped: what died at start never gets ready.
#[derive(Clone, Debug)]
#[must_use = "a gate that nobody passes keeps the manager unready"]
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// From now on unready, until the gate is passed. `name` is what `/readyz` says it waits for.
    pub fn gate(&self, name: &'static str) -> Gate {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        Gate { name, readiness: self.clone() }
    }

    /// Names of gates not passed yet; empty: ready.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<&'static str> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().copied().collect()
    }
}

impl Gate {
    /// It has come. Passing twice is fine.
    pub fn pass(&self) {
        let waiting = &self.readiness.waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}
