//! Two things can only be told by doing them: that a node's certificate request is approved and signed,
//! and that a bootstrap token is accepted. The canary does both with things of its own and takes them
//! away again: first, whenever kube-controller-manager, its CA or kube-apiserver may be another, and every 10 minutes.
//!
//! It flies beside the probes, which only read where it landed last.

mod node_request;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nagaya_render::probe::Finding;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ProbeTarget;
use crate::tenant::TenantKey;

/// A flight that landed well is repeated after this.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// One that did not, after this.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// Flights over all tenants at once. Where answers take 200 ms, a flight takes a second: with 8 of them a thousand tenants
/// that are born together waited for two minutes.
const AT_ONCE: usize = 64;

/// What a flight found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Landed {
    pub(super) authentication: Finding,
    pub(super) signer: Finding,
}

impl Landed {
    fn is_ok(&self) -> bool {
        self.authentication.is_ok() && self.signer.is_ok()
    }
}

/// The flights of all tenants.
#[derive(Debug)]
pub(super) struct Canary {
    at_once: Arc<Semaphore>,
    flights: Mutex<HashMap<TenantKey, Flight>>,
}

/// The last flight over one tenant.
#[derive(Debug)]
struct Flight {
    /// [`super::SignerView::generation`] when it started.
    generation: String,
    /// [`ProbeTarget::api_servers`] when it started. With others what was seen holds until they were seen: they come
    /// and go one by one, and `Ready` would be lost with each.
    api_servers: String,
    started: Instant,
    task: AbortHandle,
    /// Where it, or the one before, has landed. A new generation starts with nothing.
    landed: Arc<Mutex<Option<Landed>>>,
    /// A manager that has just started takes over what its predecessor saw, until it has seen for
    /// itself: else every tenant would seem ill at every start.
    trusted: bool,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), flights: Mutex::default() }
    }
}

impl Canary {
    /// What the last flight found; starts another one when it is due. Must be called inside a tokio
    /// runtime, and only when everything else was found well.
    pub(super) fn ask(&self, target: &ProbeTarget) -> Landed {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let last = flights.get(&target.tenant);
        let same = last.filter(|flight| flight.generation == target.signer.generation);
        let landed = same.map(|flight| Arc::clone(&flight.landed)).unwrap_or_default();
        let trusted = same.map_or(last.is_none() && target.established, |flight| flight.trusted);
        let before = landed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if same.is_none_or(|flight| flight.is_over_and_due(before.as_ref(), target)) {
            let flight = Flight {
                generation: target.signer.generation.clone(),
                api_servers: target.api_servers.clone(),
                started: Instant::now(),
                // Boxed: the handle keeps all that the task takes, though it has ended.
                task: tokio::spawn(Box::pin(fly(
                    Arc::clone(&self.at_once),
                    target.clone(),
                    Arc::clone(&landed),
                )))
                .abort_handle(),
                landed,
                trusted,
            };
            flights.insert(target.tenant.clone(), flight);
        }
        match before {
            Some(landed) => landed,
            None if trusted => Landed { authentication: Finding::Ok, signer: Finding::Ok },
            None => Landed::default(),
        }
    }

    /// The tenant is gone.
    pub(super) fn forget(&self, tenant: &TenantKey) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

impl Flight {
    fn is_over_and_due(&self, landed: Option<&Landed>, target: &ProbeTarget) -> bool {
        let pause = landed.map(|landed| if landed.is_ok() { FRESH_FOR } else { RETRY_AFTER });
        let is_due = pause.is_none_or(|pause| self.started.elapsed() >= pause);
        self.task.is_finished() && (is_due || self.api_servers != target.api_servers)
    }
}

async fn fly(at_once: Arc<Semaphore>, target: ProbeTarget, landed: Arc<Mutex<Option<Landed>>>) {
    // Only a closed semaphore refuses, and nobody closes this one.
    let Ok(_place) = at_once.acquire().await else { return };
    let (authentication, signer) =
        tokio::join!(token::is_accepted(&target), node_request::is_signed(&target));
    let news = Landed { authentication, signer };
    *landed.lock().unwrap_or_else(PoisonError::into_inner) = Some(news);
}
