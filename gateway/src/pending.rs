//! Connections that have not said yet where they want to go. They cost nobody's limit, so that they have one in common:
//! when there are too many, the oldest ends. Who has a `ClientHello` to send has sent it long before that, and who sits
//! there to take places away loses his.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// All of this process.
#[derive(Debug)]
pub struct Pending {
    limit: usize,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    next: u64,
    /// By age. None: its task is not known yet.
    all: BTreeMap<u64, Option<AbortHandle>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct PendingPlace {
    pending: Arc<Pending>,
    number: u64,
}

impl Pending {
    /// For at most `limit` of them.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, tasks: Mutex::default() })
    }

    /// One more. Also says whether the oldest was ended for it.
    pub fn enter(self: &Arc<Self>) -> (PendingPlace, bool) {
        let mut tasks = self.tasks();
        let oldest = if tasks.all.len() < self.limit { None } else { tasks.all.pop_first() };
        tasks.next += 1;
        let number = tasks.next;
        tasks.all.insert(number, None);
        drop(tasks);
        let ended = oldest.is_some();
        if let Some((_, Some(task))) = oldest {
            // Without the lock: its place takes it.
            task.abort();
        }
        (PendingPlace { pending: Arc::clone(self), number }, ended)
    }

    /// From now on that task can be ended, whose place has that number. False: it should have been, or it is over already.
    pub fn hold(&self, number: u64, task: AbortHandle) -> bool {
        let mut tasks = self.tasks();
        let Some(place) = tasks.all.get_mut(&number) else { return false };
        *place = Some(task);
        true
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks().all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingPlace {
    /// Tells it from the others.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        let task = self.pending.tasks().all.remove(&self.number);
        // Without the lock: the last handle may free the task.
        drop(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_too_many_ends_the_oldest() {
        let pending = Pending::new(2);
        let mut tasks = Vec::new();
        for expected in [false, false, true] {
            let (place, ended) = pending.enter();
            assert_eq!(ended, expected);
            let task = tokio::spawn(std::future::pending::<()>());
            assert!(pending.hold(place.number(), task.abort_handle()));
            tasks.push((place, task));
        }
        assert_eq!(pending.len(), 2);
        let (_, oldest) = tasks.remove(0);
        assert!(oldest.await.unwrap_err().is_cancelled());
        assert!(tasks.iter().all(|(_, task)| !task.is_finished()));
    }

    #[tokio::test]
    async fn who_has_said_what_he_wants_is_ended_no_more() {
        let pending = Pending::new(1);
        let (place, _) = pending.enter();
        drop(place);
        assert!(!pending.enter().1);
    }
}
