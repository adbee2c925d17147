//! Wires the manager together and runs it until it is asked to stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use nagaya_render::digest::hex;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::controllers;
use crate::etcd::{Etcds, LiveEtcds};
use crate::kube_ops::clients::ConnectError;
use crate::kube_ops::{Clients, Events};
use crate::leader::{self, Leadership, Term};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::server::Server;
use crate::telemetry;
use crate::tenant::{Dial, Tcp};

/// What every controller is given.
pub struct Manager {
    /// What the operator set.
    pub config: Config,
    /// What this program was built from, in a word: with the settings, it decides over pod templates.
    pub build: String,
    /// Connections to the projects' and the planes' side.
    pub clients: Clients,
    /// How the tenants' API servers are connected to.
    pub dial: Arc<dyn Dial>,
    /// The etcds of the tenants.
    pub etcds: Arc<dyn Etcds>,
    /// Which of several managers works.
    pub leadership: Leadership,
    /// Kubernetes Events, on the projects' side.
    pub events: Events,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` waits for.
    pub readiness: Readiness,
    /// Cancelled when the process is asked to stop.
    pub shutdown: CancellationToken,
}

/// Why the manager could not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`config::Error`].
    #[error(transparent)]
    Configuration(#[from] config::Error),
    /// See [`ConnectError`].
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The port of probes and metrics cannot be had.
    #[error("configuration key listen: cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The operating system refused threads or signal handlers.
    #[error("cannot start: {0}")]
    OperatingSystem(#[from] std::io::Error),
    /// See [`controllers::Error`].
    #[error(transparent)]
    Controllers(#[from] controllers::Error),
}

/// The verb `run`: reads `file` and the environment, then works until SIGTERM or SIGINT.
///
/// # Errors
/// [`Error`].
pub fn run(file: Option<&Path>) -> Result<(), Error> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let config = Config::load(file, &environment)?;
    telemetry::start(&config.manager)?;
    // Two threads: work is mostly waiting, and each further one costs memory.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work(config, Pod::read(&environment)?))
}

/// Which process this is, among the managers of the cluster.
struct Pod {
    namespace: String,
    name: String,
}

impl Pod {
    /// As `manifests/deployment.yaml` tells it. Outside a pod: a name that no other process has.
    fn read(environment: &BTreeMap<String, String>) -> std::io::Result<Self> {
        let namespace = environment.get("POD_NAMESPACE").cloned();
        let name = if let Some(name) = environment.get("POD_NAME") {
            name.clone()
        } else {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            format!("outside-{}", id.trim())
        };
        let namespace = namespace.unwrap_or_else(|| leader::DEFAULT_NAMESPACE.to_owned());
        Ok(Self { namespace, name })
    }
}

async fn work(config: Config, pod: Pod) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let shutdown = CancellationToken::new();
    let address = config.manager.listen;
    let server = Server::bind(address, metrics.clone(), readiness.clone())
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let planes = config.manager.planes_kubeconfig.as_deref();
    let term = Term::new(leader::boot_clock());
    let clients = Clients::connect(planes, &metrics.api_requests, &term).await?;
    let leases = clients.projects.clone();
    let manager = Arc::new(Manager {
        dial: Arc::new(Tcp),
        etcds: Arc::new(LiveEtcds),
        build: digest_of_this_program()?,
        leadership: Leadership::new(leases, &pod.namespace, pod.name.clone(), term),
        events: Events::new(clients.projects.clone(), Some(pod.name)),
        config,
        clients,
        clock: Clock::default(),
        metrics,
        readiness,
        shutdown: shutdown.clone(),
    });
    stop_on_signal(shutdown.clone())?;
    tokio::spawn(server.serve(shutdown));
    Box::pin(controllers::run(manager)).await?;
    tracing::info!("nagaya stops");
    Ok(())
}

/// Another one for each build, whatever version it says it is.
fn digest_of_this_program() -> std::io::Result<String> {
    // Piece by piece: once glibc has freed something of that size, it keeps as much and twice that of whatever is freed.
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut hasher)?;
    Ok(hex(&hasher.finalize()[..8]))
}

fn stop_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}
