//! What goes wrong on purpose: the k-th write from now is not done, or done and not answered.

use std::collections::BTreeMap;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered 500 and not done.
    Refused,
    /// Answered 409 and not done, as if somebody else had been faster.
    Conflict,
    /// Done, but the connection breaks before the answer.
    AnswerLost,
    /// Done and never answered: for a manager that is killed at this moment.
    Silence,
}

/// Faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    planned: BTreeMap<usize, Fault>,
    writes: usize,
}

impl Faults {
    /// Plans `fault` for the write number `write` from now, the next one being 1.
    pub fn plan(&mut self, write: usize, fault: Fault) {
        self.planned.insert(self.writes + write, fault);
    }

    /// A write has come: what becomes of it.
    pub fn next(&mut self) -> Option<Fault> {
        self.writes += 1;
        self.planned.remove(&self.writes)
    }

    /// Whether every planned fault has happened.
    pub fn all_happened(&self) -> bool {
        self.planned.is_empty()
    }
}
