//! The controllers: one per kind, each with its own queue.

mod context;
mod join_token;
mod places;
mod tenant_cluster;

use std::sync::Arc;
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, CustomResourceExt, Resource};
use nagaya_api::{JoinToken, TenantCluster};
use nagaya_render::turns::revision;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

pub use context::{Context, Plane, Planes};
pub use tenant_cluster::HandedOut;

use crate::caches::Caches;
use crate::etcd::EtcdKeeper;
use crate::keyring::Keyring;
use crate::kube_ops::{self, Backoff, Contests, Fingerprints, Object};
use crate::leader::Lost;
use crate::limited::GatewayLimits;
use crate::startup::Manager;
use crate::tenant::{
    self, Connections, ContentKeeper, Contents, JoinProbe, Prober, TenantWatches, prober::Pace,
};
use tenant_cluster::{Claims, Steps, Turns};

/// How long a management cluster may take to accept our definitions.
const ESTABLISHED: Duration = Duration::from_mins(2);
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Tenants whose connection is held open at the same time.
const CONNECTIONS: usize = 2000;

/// Why the controllers stopped by themselves.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of our definitions is missing.
    #[error(
        "CustomResourceDefinition {name} is not there; install it with: kubectl apply -k manifests/ ({why})"
    )]
    DefinitionMissing {
        /// Its name.
        name: &'static str,
        /// What the wait for it ended with.
        why: String,
    },
    /// See [`Lost`].
    #[error(transparent)]
    LeaseLost(#[from] Lost),
}

/// Runs all controllers until [`Manager::shutdown`] is cancelled; while another manager leads, only fills the caches.
///
/// # Errors
/// [`Error`].
pub async fn run(manager: Arc<Manager>) -> Result<(), Error> {
    let definitions = manager.readiness.gate("CustomResourceDefinitions");
    let filled = manager.readiness.gate("caches");
    established::<TenantCluster>(&manager, TenantCluster::crd_name()).await?;
    established::<JoinToken>(&manager, JoinToken::crd_name()).await?;
    definitions.pass();

    let (wakeups, woken) = tenant::wakeups();
    let (enabled, enabled_projects) = mpsc::unbounded_channel();
    let (shown, shown_tokens) = mpsc::unbounded_channel();
    let (caches, watch) = Caches::new(&manager.clients, &wakeups, enabled);
    let probes_at_once = usize::from(manager.config.manager.probe_pool_size.get());
    let pace = Pace { probes_at_once, ..Pace::default() };
    let contents = Arc::new(Contents::default());
    let context = Arc::new(Context {
        caches,
        keyring: Keyring::default(),
        connections: Connections::new(
            CONNECTIONS,
            manager.leadership.fence(),
            Arc::clone(&manager.dial),
        ),
        etcd: EtcdKeeper::new(
            probes_at_once,
            Arc::clone(&manager.etcds),
            manager.leadership.clone(),
            wakeups.clone(),
        ),
        prober: Prober::new(JoinProbe::default(), pace, wakeups.clone()),
        watches: TenantWatches::new(wakeups.clone(), shown, Arc::clone(&contents)),
        limits: GatewayLimits::new(&manager.config, wakeups.clone()),
        content: ContentKeeper::new(probes_at_once, wakeups, contents),
        planes: Planes::default(),
        turns: Turns::default(),
        claims: Claims::default(),
        steps: Steps::default(),
        revision: revision(&manager.config.render, &manager.build),
        backoff: Backoff::default(),
        contests: Contests::default(),
        fingerprints: Fingerprints::default(),
        manager,
    });
    let shutdown = &context.manager.shutdown;
    let work = async {
        tokio::select! {
            () = context.caches.filled() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        filled.pass();
        tracing::info!("caches are filled");
        let controllers = async {
            context.manager.metrics.leads(true);
            let all = async {
                tokio::join!(
                    tenant_cluster::run(Arc::clone(&context), woken, enabled_projects),
                    join_token::run(Arc::clone(&context), shown_tokens),
                );
            };
            let Manager { dial, metrics, .. } = &*context.manager;
            let limits = context.limits.follow(&**dial, &context.caches.planes, metrics);
            tokio::select! {
                () = all => {}
                never = limits => match never {},
            }
        };
        context.manager.leadership.lead(shutdown.cancelled(), Box::pin(controllers)).await
    };
    tokio::select! {
        () = watch => Ok(()),
        led = work => Ok(led?),
    }
}

/// Ends when objects of the kind can be listed: the manager has no right to read definitions, and needs none.
async fn established<K>(manager: &Manager, name: &'static str) -> Result<(), Error>
where
    K: Object + Resource<DynamicType = ()>,
{
    let all = Api::<K>::all(manager.clients.projects.clone());
    let started = Instant::now();
    loop {
        match kube_ops::list(&all, &ListParams::default().limit(1)).await {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > ESTABLISHED => {
                return Err(Error::DefinitionMissing { name, why: error.to_string() });
            }
            Err(error) => tracing::info!(name, why = %error, "waiting for a definition"),
        }
        sleep(ASK_AGAIN).await;
    }
}
