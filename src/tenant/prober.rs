//! When each tenant is probed, and what was seen last. A reconcile reads the store and never waits for
//! a tenant; a change of what was seen wakes the reconcile.

mod pace;
mod pool;
mod store;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nagaya_render::probe::ProbeReport;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

pub use pace::Pace;
use pool::Pool;
pub use store::{ProbeStore, Seen};

use super::{ProbeTarget, TenantKey, Wakeups};

/// How a tenant is looked at.
pub trait Probe: Send + Sync + 'static {
    /// What has to be known about a tenant.
    type Target: Target;

    /// One look. It may take any time; the prober gives up at its deadline by dropping the future.
    fn probe(&self, target: &Self::Target) -> impl Future<Output = ProbeReport> + Send;

    /// The report of a probe that was given up at the deadline.
    fn gave_up(&self, target: &Self::Target) -> ProbeReport;

    /// The tenant is gone: drop what is remembered of it.
    fn forget(&self, tenant: &TenantKey);
}

/// A tenant to be probed.
pub trait Target: Clone + Send + Sync + 'static {
    /// Which tenant.
    fn tenant(&self) -> &TenantKey;
    /// Whether it was `Ready` before.
    fn established(&self) -> bool;
    /// Where it is looked at, if that can change: what was seen elsewhere says nothing of it.
    fn place(&self) -> Option<String> {
        None
    }
}

impl Target for ProbeTarget {
    fn tenant(&self) -> &TenantKey {
        &self.tenant
    }

    fn established(&self) -> bool {
        self.established
    }

    fn place(&self) -> Option<String> {
        Some(self.endpoint.authority())
    }
}

/// Probes every tenant it was told about: one task per tenant, at most so many probes at once.
#[derive(Debug)]
pub struct Prober<P: Probe> {
    shared: Arc<Shared<P>>,
    tasks: Mutex<HashMap<TenantKey, Task<P::Target>>>,
}

#[derive(Debug)]
struct Shared<P> {
    probe: P,
    pace: Pace,
    pool: Pool,
    store: ProbeStore,
    wakeups: Wakeups,
}

/// The task of one tenant.
#[derive(Debug)]
struct Task<T> {
    target: watch::Sender<T>,
    handle: JoinHandle<()>,
}

impl<P: Probe> Prober<P> {
    /// A prober that wakes through `wakeups` whenever a report differs from the one before.
    #[must_use]
    pub fn new(probe: P, pace: Pace, wakeups: Wakeups) -> Self {
        let pool = Pool::new(pace.probes_at_once);
        let shared = Shared { probe, pace, pool, store: ProbeStore::default(), wakeups };
        Self { shared: Arc::new(shared), tasks: Mutex::default() }
    }

    /// Starts to probe a tenant, or goes on with another target; probes at once only in the first case, and where the
    /// place is another one.
    /// Must be called inside a tokio runtime.
    pub fn watch(&self, target: P::Target) {
        let mut tasks = self.tasks();
        if let Some(task) = tasks.get(target.tenant()) {
            task.target.send_if_modified(|current| {
                let is_elsewhere = current.place() != target.place();
                *current = target;
                is_elsewhere
            });
        } else {
            let tenant = target.tenant().clone();
            let (sender, receiver) = watch::channel(target);
            let handle = tokio::spawn(Arc::clone(&self.shared).keep_probing(receiver));
            tasks.insert(tenant, Task { target: sender, handle });
        }
    }

    /// The tenant is gone: its probe is dropped, and what was seen is forgotten.
    pub fn forget(&self, tenant: &TenantKey) {
        if let Some(task) = self.tasks().remove(tenant) {
            task.handle.abort();
        }
        self.shared.store.remove(tenant);
        self.shared.probe.forget(tenant);
    }

    /// What was seen last.
    #[must_use]
    pub fn store(&self) -> &ProbeStore {
        &self.shared.store
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TenantKey, Task<P::Target>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Probe> Drop for Prober<P> {
    fn drop(&mut self) {
        for task in self.tasks().values() {
            task.handle.abort();
        }
    }
}

impl<P: Probe> Shared<P> {
    /// The life of one tenant's task; ends when the prober drops the sender.
    async fn keep_probing(self: Arc<Self>, mut targets: watch::Receiver<P::Target>) {
        let (mut suspect, mut established) = (false, false);
        let mut ill_since = Instant::now();
        loop {
            let target = targets.borrow_and_update().clone();
            // Boxed: most of the time a task waits, and there is one for each tenant.
            let report = Box::pin(self.probe_once(&target, suspect)).await;
            suspect = report.unreachable();
            // Once joinable, always born: that it is no longer `Ready` makes it no child again.
            established |= target.established() || report.joinable();
            if report.joinable() {
                ill_since = Instant::now();
            }
            let pause = self.pace.pause(established, &report, ill_since.elapsed());
            let seen = Seen { report: report.clone(), place: target.place() };
            for tenant in self.store.put(target.tenant(), &seen, established) {
                self.wakeups.wake(&tenant);
            }
            drop((target, report));
            if let Ok(Err(_)) = timeout(pause, targets.changed()).await {
                return;
            }
        }
    }

    async fn probe_once(&self, target: &P::Target, suspect: bool) -> ProbeReport {
        let _place = self.pool.place(suspect).await;
        match timeout(self.pace.deadline, self.probe.probe(target)).await {
            Ok(report) => report,
            Err(_) => self.probe.gave_up(target),
        }
    }
}

#[cfg(test)]
mod tests;
