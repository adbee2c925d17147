//! A manager as a process: it can be stopped in the middle of a write and go on much later, or be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nagaya::leader::{Fence, Term};
use tokio::sync::watch;
use tokio::time::Instant;

/// What all of one manager shares. Clones are the same process.
#[derive(Clone)]
pub struct Process {
    pub term: Term,
    stops_at_write: Arc<AtomicBool>,
    stops_after_look: Arc<AtomicBool>,
    stopped: Arc<watch::Sender<bool>>,
    cut_off: Arc<watch::Sender<bool>>,
}

impl Process {
    /// A process that has just started.
    pub fn new() -> Self {
        let started = Instant::now();
        Self {
            term: Term::new(Arc::new(move || started.elapsed())),
            stops_at_write: Arc::default(),
            stops_after_look: Arc::default(),
            stopped: Arc::new(watch::channel(false).0),
            cut_off: Arc::new(watch::channel(false).0),
        }
    }

    pub fn fence(&self) -> Fence {
        Fence::new(self.term.clone())
    }

    /// SIGSTOP, after the next write was decided and before it is sent.
    pub fn stop_at_next_write(&self) {
        self.stops_at_write.store(true, Ordering::SeqCst);
    }

    /// SIGSTOP, after the next look at an etcd and before anything follows from it.
    pub fn stop_after_next_look(&self) {
        self.stops_after_look.store(true, Ordering::SeqCst);
    }

    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.stopped.send_replace(false);
    }

    /// From now on no request arrives.
    pub fn cut_off(&self) {
        self.cut_off.send_replace(true);
    }

    /// Where every request of the process passes, before it meets the fence.
    pub async fn sends(&self, write: bool) {
        if write && self.stops_at_write.swap(false, Ordering::SeqCst) {
            self.stopped.send_replace(true);
        }
        for gate in [&self.stopped, &self.cut_off] {
            is_open(gate).await;
        }
    }

    /// Where every answer of an etcd passes.
    pub async fn has_looked(&self) {
        if self.stops_after_look.swap(false, Ordering::SeqCst) {
            self.stopped.send_replace(true);
        }
        is_open(&self.stopped).await;
    }

    /// Does `work`, and nothing of it while the process is stopped.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut stopped = self.stopped.subscribe();
        loop {
            let still = *stopped.borrow_and_update();
            tokio::select! {
                biased;
                _ = stopped.changed() => {}
                done = &mut work, if !still => return done,
            }
        }
    }
}

async fn is_open(gate: &watch::Sender<bool>) {
    // The sender is held by the caller: it cannot be gone.
    let _ = gate.subscribe().wait_for(|closed| !closed).await;
}
