//! Narrow watches over a tenant's connection: how many nodes there are, and which are not Ready (`nodes.rs`), which serving
//! certificates are asked for (`requests.rs`), which machines have shown a join token (`attempts.rs`), whether our own
//! objects are still as we left them (`drift.rs`), whether nodes renew their Leases (`leases.rs`), and which ones use a
//! former endpoint (`left.rs`). Nothing of the tenant's is kept but counts, versions and what it is told of, and a watch
//! that is silent costs next to nothing (`follow.rs`).

mod attempts;
mod drift;
mod follow;
mod leases;
mod left;
mod nodes;
mod requests;
mod retry;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use nagaya_api::JoinAttempt;
use nagaya_render::meltdown::Heartbeats;
use nagaya_render::moves::{Former, NodesLeft};
use nagaya_render::nodes::Nodes;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub use attempts::ShownToken;

use super::content::{Contents, Ledger};
use super::{TenantIdentity, TenantKey, Wakeups};

/// The watches of every tenant: one task each.
#[derive(Debug)]
pub struct TenantWatches {
    wakeups: Wakeups,
    shown: mpsc::UnboundedSender<ShownToken>,
    contents: Arc<Contents>,
    tenants: Mutex<HashMap<TenantKey, Watched>>,
}

#[derive(Debug)]
struct Watched {
    identity: TenantIdentity,
    seen: Arc<SeenInTenant>,
    task: AbortHandle,
}

/// All that is kept of what was seen.
#[derive(Debug, Default)]
struct SeenInTenant {
    nodes: nodes::Watched,
    leases: leases::Leases,
    left: left::Left,
    drift: AtomicU64,
    changes: Changes,
    attempts: attempts::Attempts,
}

/// Counts what happens to our objects in a tenant, whoever does it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// Another number whenever something has happened, or may have while the watch was broken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TenantWatches {
    /// Watches that wake through `wakeups` when the number of nodes changes, and when one of the objects
    /// that `contents` has applied is no longer as it was; `shown` gets each token that a machine has news of.
    #[must_use]
    pub fn new(
        wakeups: Wakeups,
        shown: mpsc::UnboundedSender<ShownToken>,
        contents: Arc<Contents>,
    ) -> Self {
        Self { wakeups, shown, contents, tenants: Mutex::default() }
    }

    /// Starts to watch a tenant; starts again when the identity behind `client` has changed. Must be
    /// called inside a tokio runtime, at best once the API server is up: until then watches back off.
    pub fn watch(&self, tenant: &TenantKey, identity: &TenantIdentity, client: &kube::Client) {
        let mut tenants = self.tenants();
        if tenants.get(tenant).is_some_and(|watched| watched.identity == *identity) {
            return;
        }
        let before = tenants.get(tenant);
        let seen = before.map(|old| Arc::clone(&old.seen)).unwrap_or_default();
        let task = tokio::spawn(watch_all(Watcher {
            tenant: tenant.clone(),
            client: client.clone(),
            wakeups: self.wakeups.clone(),
            shown: self.shown.clone(),
            ledger: self.contents.ledger(tenant),
            seen: Arc::clone(&seen),
        }));
        let watched = Watched { identity: identity.clone(), seen, task: task.abort_handle() };
        tenants.insert(tenant.clone(), watched);
    }

    /// The tenant is gone: its watches end, and what was applied to it is forgotten.
    pub fn forget(&self, tenant: &TenantKey) {
        self.tenants().remove(tenant);
        self.contents.forget(tenant);
    }

    /// The nodes; `None` before the first answer.
    #[must_use]
    pub fn nodes(&self, tenant: &TenantKey) -> Option<Arc<Nodes>> {
        self.tenants().get(tenant).and_then(|watched| watched.seen.nodes.get())
    }

    /// From now on it is told which nodes are not known to use the endpoint that is given beside the former one.
    pub fn follow_move(&self, tenant: &TenantKey, endpoints: Option<(Former, String)>) {
        if let Some(watched) = self.tenants().get(tenant) {
            watched.seen.left.follow(endpoints);
        }
    }

    /// Those nodes; `None` while they are not known.
    #[must_use]
    pub fn nodes_left(&self, tenant: &TenantKey) -> Option<NodesLeft> {
        self.tenants().get(tenant).and_then(|watched| watched.seen.left.get())
    }

    /// Whether nodes renew their Leases.
    #[must_use]
    pub fn heartbeats(&self, tenant: &TenantKey) -> Heartbeats {
        let tenants = self.tenants();
        tenants
            .get(tenant)
            .map_or_else(Heartbeats::default, |watched| watched.seen.leases.heartbeats())
    }

    /// Another number whenever one of our objects was found changed or deleted by somebody else.
    #[must_use]
    pub fn drift(&self, tenant: &TenantKey) -> u64 {
        let tenants = self.tenants();
        tenants.get(tenant).map_or(0, |watched| watched.seen.drift.load(Ordering::Relaxed))
    }

    /// What happens to our objects; `None` while they are not watched.
    #[must_use]
    pub fn changes(&self, tenant: &TenantKey) -> Option<Changes> {
        self.tenants().get(tenant).map(|watched| watched.seen.changes.clone())
    }

    /// The last time that a machine has shown the token; `None`: not since it is watched.
    #[must_use]
    pub fn last_attempt(&self, tenant: &TenantKey, token_id: &str) -> Option<JoinAttempt> {
        self.tenants().get(tenant).and_then(|watched| watched.seen.attempts.get(token_id))
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantKey, Watched>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the watches of one tenant share.
struct Watcher {
    tenant: TenantKey,
    client: kube::Client,
    wakeups: Wakeups,
    shown: mpsc::UnboundedSender<ShownToken>,
    ledger: Arc<Ledger>,
    seen: Arc<SeenInTenant>,
}

/// From one wake-up to the next: nodes are the tenant's, and may come, go and change without pause.
const PAUSE: Duration = Duration::from_secs(1);

impl Watcher {
    /// Wakes the reconcile for ever.
    async fn wake_at_each(&self, news: &Notify) {
        loop {
            news.notified().await;
            self.wakeups.wake(&self.tenant);
            sleep(PAUSE).await;
        }
    }

    fn note_attempt(&self, csr: &CertificateSigningRequest) {
        if let Some(token_id) = self.seen.attempts.note(csr) {
            // The only error is a dropped receiver: then nobody is left to be told.
            let _ = self.shown.send(ShownToken { tenant: self.tenant.clone(), token_id });
        }
    }
}

/// All watches of a tenant; never ends by itself.
async fn watch_all(watcher: Watcher) {
    tokio::join!(
        nodes::look(&watcher),
        leases::look(&watcher),
        requests::answer(&watcher),
        drift::note(&watcher),
    );
}
