//! Looks whether nodes renew their Leases, where there are enough of them to tell a cut from a fault. A few requests a
//! minute, of which one page is read as long as one node on it renews; what follows from a look is decided in
//! `nagaya_render::meltdown`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use nagaya_render::meltdown::{FEWEST, Heartbeats, Look, Pulse, patience};
use nagaya_render::nodes::Trouble;
use tokio::time::{Instant, sleep, timeout};

use super::Watcher;

/// Where kubelets renew (`corev1.NamespaceNodeLease`).
const NAMESPACE: &str = "kube-node-lease";
/// An API server that takes longer does not answer nodes either.
const DEADLINE: Duration = Duration::from_secs(5);
/// Leases in one answer.
const PAGE: u32 = 100;
/// Nodes in one answer: they are large, and a few tell enough.
const NODES_PAGE: u32 = 20;

/// What was seen so far. It outlives a connection.
#[derive(Debug)]
pub(super) struct Leases {
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    pulse: Pulse,
    heartbeats: Heartbeats,
}

impl Default for Leases {
    fn default() -> Self {
        Self { started: Instant::now(), seen: Mutex::default() }
    }
}

impl Leases {
    pub(super) fn heartbeats(&self) -> Heartbeats {
        self.lock().heartbeats
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
enum Blind {
    #[error("no answer in time")]
    Late,
    #[error(transparent)]
    Call(#[from] kube::Error),
    #[error("the list has no version")]
    Unversioned,
}

/// Looks for ever; wakes the reconcile when something else is to be seen.
pub(super) async fn look(watcher: &Watcher) {
    let leases = &watcher.seen.leases;
    loop {
        let now = match watcher.seen.nodes.get().map(|nodes| nodes.total) {
            Some(nodes) if nodes >= FEWEST => match Box::pin(look_once(watcher, leases)).await {
                Ok(heartbeats) => heartbeats,
                Err(error) => {
                    tracing::debug!(tenant = %watcher.tenant, %error, "cannot see whether nodes renew");
                    leases.lock().pulse.forget()
                }
            },
            Some(_) => {
                leases.lock().pulse.forget();
                Heartbeats::TooFew
            }
            None => Heartbeats::Unknown,
        };
        let before = std::mem::replace(&mut leases.lock().heartbeats, now);
        if before != now {
            watcher.wakeups.wake(&watcher.tenant);
        }
        let pause = leases.lock().pulse.pause(leases.started.elapsed());
        sleep(pause).await;
    }
}

async fn look_once(watcher: &Watcher, leases: &Leases) -> Result<Heartbeats, Blind> {
    let api = Api::namespaced(watcher.client.clone(), NAMESPACE);
    let look = timeout(DEADLINE, read(&api, leases)).await.map_err(|_| Blind::Late)??;
    let heartbeats = leases.lock().pulse.take(look);
    if heartbeats != (Heartbeats::Silent { ready: None }) {
        return Ok(heartbeats);
    }
    let nodes = Api::all(watcher.client.clone());
    let ready = timeout(DEADLINE, count_ready(&nodes)).await.map_err(|_| Blind::Late)??;
    Ok(leases.lock().pulse.counted(ready))
}

/// Page by page, until one is found that was renewed.
async fn read(api: &Api<Lease>, leases: &Leases) -> Result<Look, Blind> {
    let (mut params, mut look) = (ListParams::default().limit(PAGE), None::<Look>);
    loop {
        // Consistent: it has been agreed on by etcd, and is no cache's word.
        let page = api.list(&params).await?;
        let version = page.metadata.resource_version.as_deref().and_then(|text| text.parse().ok());
        let look = look.get_or_insert(Look {
            at: leases.started.elapsed(),
            version: version.ok_or(Blind::Unversioned)?,
            newest: None,
            patience: patience(Duration::ZERO),
        });
        for lease in &page.items {
            look.newest = look.newest.max(version_of(lease));
            look.patience = look.patience.max(patience(duration_of(lease)));
        }
        let is_renewed = look.newest > leases.lock().pulse.expects(look.at, look.patience);
        match page.metadata.continue_.filter(|token| !token.is_empty() && !is_renewed) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(*look),
        }
    }
}

fn version_of(lease: &Lease) -> Option<u64> {
    lease.metadata.resource_version.as_deref()?.parse().ok()
}

fn duration_of(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    Duration::from_secs(seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or_default())
}

/// No more than matter.
async fn count_ready(api: &Api<Node>) -> Result<usize, Blind> {
    let (mut params, mut ready) = (ListParams::default().limit(NODES_PAGE), 0);
    loop {
        let page = api.list(&params).await?;
        ready += page.items.iter().filter(|node| is_ready(node)).count();
        match page.metadata.continue_.filter(|token| !token.is_empty() && ready < FEWEST) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(ready.min(FEWEST)),
        }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref());
    Trouble::of(conditions.unwrap_or_default()).is_none()
}

#[cfg(test)]
mod tests;
