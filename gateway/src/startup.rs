//! Wires the gateway together and runs it until it is asked to stop, and all has ended.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::admin::{Admin, Readiness};
use crate::config::Settings;
use crate::drain::drain;
use crate::gateway::Gateway;
use crate::meter::Limits;
use crate::metrics::Metrics;
use crate::routes::Table;
use crate::routes::watch::{Follower, WATCH_SECONDS};
use crate::telemetry;

/// A watch that is silent for longer than it lasts has lost its API server.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`telemetry::start`].
    #[error("--log-filter: {0}")]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    /// A port cannot be had.
    #[error("{flag}: cannot listen on {address}: {source}")]
    Listen {
        /// Which flag says so.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Neither a service account nor a kubeconfig.
    #[error(
        "no Kubernetes cluster is configured: run in a pod with a service account, or give --kubeconfig: {0}"
    )]
    Infer(#[from] Box<InferConfigError>),
    /// `--kubeconfig` cannot be used.
    #[error("--kubeconfig {path}: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: KubeconfigError,
    },
    /// TLS or proxy settings of a configuration do not work.
    #[error("cannot make a client of the Kubernetes configuration: {0}")]
    Client(#[from] Box<kube::Error>),
    /// The operating system refused threads or signal handlers.
    #[error("cannot start: {0}")]
    OperatingSystem(#[from] std::io::Error),
}

/// Works until SIGTERM or SIGINT, and then until it has drained.
///
/// # Errors
/// [`Error`].
pub fn run(settings: Settings) -> Result<(), Error> {
    telemetry::start(&settings)?;
    // This thread accepts and follows the routes; the copying has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work(settings))
}

async fn work(settings: Settings) -> Result<(), Error> {
    let mut signals = signals()?;
    let (metrics, readiness) = (Arc::new(Metrics::default()), Readiness::default());
    let (publish, tables) = watch::channel(Arc::<Table>::default());
    let cannot_listen = |flag, address| move |source| Error::Listen { flag, address, source };
    let admin_port =
        Admin::bind(settings.admin).await.map_err(cannot_listen("--admin", settings.admin))?;
    let client = connect(settings.kubeconfig.as_deref()).await?;
    let gateway = Gateway::start(settings.clone(), tables.clone(), Arc::clone(&metrics))
        .map_err(cannot_listen("--listen", settings.listen))?;
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: Arc::clone(&metrics),
        tables,
        pending: Some(gateway.pending()),
    };
    tokio::spawn(admin.serve(admin_port));
    let limits = Limits { connections: settings.connections, rate: settings.connection_rate };
    let follower = Follower::new(limits, settings.removed_route_grace, publish, metrics);
    let filled = readiness.clone();
    tokio::spawn(follower.follow(client, move || filled.filled()));
    signals.recv().await;
    let left = drain(&gateway, &readiness, &settings, &mut signals).await;
    tracing::info!(connections = left, "nagaya-gateway stops");
    Ok(())
}

async fn connect(kubeconfig: Option<&Path>) -> Result<Client, Error> {
    let mut config = match kubeconfig {
        None => Config::infer().await.map_err(Box::new)?,
        Some(path) => read_kubeconfig(path)
            .await
            .map_err(|source| Error::Kubeconfig { path: path.display().to_string(), source })?,
    };
    config.read_timeout = Some(SILENCE);
    Ok(Client::try_from(config).map_err(Box::new)?)
}

async fn read_kubeconfig(path: &Path) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

/// A message for each SIGTERM and SIGINT.
fn signals() -> std::io::Result<mpsc::Receiver<()>> {
    let (tell, told) = mpsc::channel(2);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if tell.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(told)
}
