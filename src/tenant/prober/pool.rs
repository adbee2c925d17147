//! A bound on probes at once, in two lanes, so that tenants whose packets are dropped, each of which
//! holds its place until the deadline, queue behind each other and never in front of the rest.

use tokio::sync::{Semaphore, SemaphorePermit};

#[derive(Debug)]
pub(super) struct Pool {
    reachable: Semaphore,
    suspect: Semaphore,
}

impl Pool {
    /// `size` places in each lane, at least one.
    pub(super) fn new(size: usize) -> Self {
        let lane = || Semaphore::new(size.max(1));
        Self { reachable: lane(), suspect: lane() }
    }

    /// A place; free again when dropped. `suspect`: the tenant could not be reached the last time.
    pub(super) async fn place(&self, suspect: bool) -> Option<SemaphorePermit<'_>> {
        let lane = if suspect { &self.suspect } else { &self.reachable };
        // Only a closed semaphore refuses, and nobody closes these.
        lane.acquire().await.ok()
    }
}
