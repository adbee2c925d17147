//! What is told of etcd.

use super::Step;

/// What the last look came to, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFindings {
    /// What is next.
    pub step: Step,
    /// Enough members answer to decide anything.
    pub quorum: bool,
    /// Members that answer.
    pub answering: usize,
    /// Why the step has not been taken, in etcd's words.
    pub failure: Option<String>,
    /// The quota in bytes, if it is used up: the alarm NOSPACE is raised.
    pub no_space: Option<u64>,
}

impl EtcdFindings {
    /// What is being done to the members; `None`: nothing.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let step = self.step.words()?;
        // Not worth a word, unless it cannot be done.
        if self.failure.is_none() && matches!(self.step, Step::MoveLeader { .. }) {
            return None;
        }
        // etcd refuses to promote until the learner has caught up, which is what is being waited for.
        let failure = self.failure.as_ref().filter(|_| !matches!(self.step, Step::Promote { .. }));
        Some(failure.map_or(step.clone(), |why| format!("{step}: {why}")))
    }
}
