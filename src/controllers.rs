//! The controllers: one per kind, each with its own queue.

mod context;
mod join_token;
mod tenant_cluster;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, CustomResourceExt};
use nagaya_api::{JoinToken, TenantCluster};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use context::{Context, Plane, Planes};

use crate::caches::Caches;
use crate::keyring::Keyring;
use crate::kube_ops::Backoff;
use crate::startup::Manager;
use crate::tenant::{
    self, Connections, ContentKeeper, Contents, JoinProbe, Prober, TenantWatches, prober::Pace,
};

/// How long a management cluster may take to accept our definitions.
const ESTABLISHED: Duration = Duration::from_mins(2);
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
}

/// Runs all controllers until [`Manager::shutdown`] is cancelled.
///
/// # Errors
/// [`Error`].
pub async fn run(manager: Arc<Manager>) -> Result<(), Error> {
    let definitions = manager.readiness.gate("CustomResourceDefinitions");
    let filled = manager.readiness.gate("caches");
    established(&manager, TenantCluster::crd_name()).await?;
    established(&manager, JoinToken::crd_name()).await?;
    definitions.pass();

    let (wakeups, woken) = tenant::wakeups();
    let (enabled, enabled_projects) = mpsc::unbounded_channel();
    let (caches, watch) = Caches::new(&manager.clients, &wakeups, enabled);
    let probes_at_once = usize::from(manager.config.manager.probe_pool_size.get());
    let pace = Pace { probes_at_once, ..Pace::default() };
    let contents = Arc::new(Contents::default());
    let context = Arc::new(Context {
        caches,
        keyring: Keyring::default(),
        connections: Connections::new(CONNECTIONS),
        prober: Prober::new(JoinProbe::default(), pace, wakeups.clone()),
        watches: TenantWatches::new(wakeups.clone(), Arc::clone(&contents)),
        content: ContentKeeper::new(probes_at_once, wakeups, contents),
        planes: Planes::default(),
        backoff: Backoff::default(),
        manager,
    });
    let work = async {
        context.caches.filled().await;
        filled.pass();
        tracing::info!("caches are filled, controllers start");
        tokio::join!(
            tenant_cluster::run(Arc::clone(&context), woken, enabled_projects),
            join_token::run(Arc::clone(&context)),
        );
    };
    tokio::select! {
        () = watch => {}
        () = work => {}
        () = context.manager.shutdown.cancelled() => {}
    }
    Ok(())
}

async fn established(manager: &Manager, name: &'static str) -> Result<(), Error> {
    let all = Api::<CustomResourceDefinition>::all(manager.clients.projects.clone());
    let wait = timeout(ESTABLISHED, await_condition(all, name, is_crd_established()));
    let missing = |why: String| Error::DefinitionMissing { name, why };
    match wait.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(missing(error.to_string())),
        Err(_) => Err(missing("waited for two minutes".to_owned())),
    }
}
