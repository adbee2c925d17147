//! Follows the Services with the gateway's label and publishes a table with each change. All its rights are to list and
//! watch Services.
//!
//! When the API server is away, the last table stays: what is known is served.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_services};
use kube::{Api, Client};
use nagaya_api::labels;
use tokio::sync::watch;

use super::{Claim, RefusedName, Routes, ServiceKey, Table};
use crate::meter::{Limits, Meter};
use crate::metrics::Metrics;

/// Services in an answer while the first table is made.
const PAGE: u32 = 500;
/// After so many seconds the API server ends a watch, and another one goes on from there: what is silent for longer is gone.
pub const WATCH_SECONDS: u16 = 60;
/// Events that are there at the same time make one table.
const AT_ONCE: usize = 256;

/// The one who knows the Services.
pub struct Follower {
    routes: Routes,
    /// Of a list that has not ended.
    listed: Vec<Claim>,
    published: watch::Sender<Arc<Table>>,
    metrics: Arc<Metrics>,
    grace: Option<Duration>,
    /// Services that were no routes any more at the last look: their cut is under way.
    leaving: BTreeSet<ServiceKey>,
}

impl Follower {
    /// Publishes what there is to whoever holds the other end of `published`. `grace` is `--removed-route-grace`.
    #[must_use]
    pub fn new(
        defaults: Limits,
        grace: Option<Duration>,
        published: watch::Sender<Arc<Table>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (routes, listed) = (Routes::new(defaults), Vec::new());
        Self { routes, listed, published, metrics, grace, leaving: BTreeSet::new() }
    }

    /// Follows; `filled` is called with the first whole list. Ends only when dropped.
    pub async fn follow(mut self, client: Client, filled: impl Fn()) {
        let selector = format!("{}={}", labels::GATEWAY, labels::GATEWAY_ENABLED);
        let selected = watcher::Config::default().labels(&selector).page_size(PAGE);
        let selected = selected.timeout(WATCH_SECONDS.into());
        let events = watch_services(Api::<Service>::all(client), selected).default_backoff();
        let mut events = std::pin::pin!(events.ready_chunks(AT_ONCE));
        while let Some(chunk) = events.next().await {
            let (mut changed, mut is_whole) = (false, false);
            for event in chunk {
                match event {
                    Ok(event) => {
                        is_whole |= matches!(event, Event::InitDone);
                        changed |= self.note(event);
                    }
                    Err(error) => {
                        self.metrics.watch_failed();
                        tracing::warn!(%error, "the watch of Services failed; the routes stay as they are");
                    }
                }
            }
            if changed {
                self.publish();
            }
            if is_whole {
                filled();
            }
        }
    }

    /// Whether there is something to publish: of a list nothing is before its end.
    pub fn note(&mut self, event: Event<Service>) -> bool {
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(service) => {
                self.listed.push(Claim::of(&service));
                false
            }
            Event::InitDone => {
                self.routes.replace(std::mem::take(&mut self.listed));
                true
            }
            Event::Apply(service) => {
                self.routes.set(Claim::of(&service));
                true
            }
            Event::Delete(service) => {
                self.routes.remove(&Claim::of(&service).service);
                true
            }
        }
    }

    /// Makes the table of now everybody's.
    pub fn publish(&mut self) {
        let table = self.routes.table();
        self.say_what_is_refused(&table);
        self.metrics.routes(&table);
        self.published.send_replace(Arc::new(table));
        self.cut_what_has_left();
    }

    /// Once for each that is new.
    fn say_what_is_refused(&self, table: &Table) {
        let before = Arc::clone(&self.published.borrow());
        let known: BTreeSet<&RefusedName> = before.refused().iter().collect();
        for refused in table.refused().iter().filter(|refused| !known.contains(refused)) {
            let RefusedName { service, problem } = refused;
            tracing::warn!(%service, reason = <&str>::from(problem), "a route is refused: {problem}");
        }
    }

    fn cut_what_has_left(&mut self) {
        let Some(grace) = self.grace else { return };
        let departed: BTreeMap<ServiceKey, Arc<Meter>> =
            self.routes.departed().map(|(key, meter)| (key.clone(), Arc::clone(meter))).collect();
        for (service, meter) in &departed {
            if !self.leaving.contains(service) {
                tokio::spawn(cut_later(
                    service.clone(),
                    Arc::clone(meter),
                    grace,
                    self.published.subscribe(),
                ));
            }
        }
        self.leaving = departed.into_keys().collect();
    }
}

/// Ends a Service's connections, unless it is a route again by then.
async fn cut_later(
    service: ServiceKey,
    meter: Arc<Meter>,
    grace: Duration,
    mut tables: watch::Receiver<Arc<Table>>,
) {
    let is_back = |table: &Arc<Table>| table.has_meter(&meter);
    tokio::select! {
        () = tokio::time::sleep(grace) => {
            let cut = meter.cut();
            tracing::info!(%service, connections = cut, "cut: it is no route any more");
        }
        // An error: nobody publishes any more.
        _ = tables.wait_for(is_back) => {}
    }
}

#[cfg(test)]
mod tests;
