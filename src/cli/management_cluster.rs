//! Which management cluster a verb asks, as kubectl is told it.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tokio::runtime::Builder;

/// The flags that kubectl has for it.
#[derive(Clone, Debug, clap::Args)]
pub struct ManagementCluster {
    /// Its namespace; default: that of the context.
    #[arg(short, long)]
    namespace: Option<String>,

    /// Kubeconfig of the management cluster; default: as kubectl has it.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig; default: its current one.
    #[arg(long)]
    context: Option<String>,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No kubeconfig, or one that cannot be used.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// No runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// Its TLS or proxy settings do not work.
    #[error("kubeconfig: {0}")]
    Client(#[source] Box<kube::Error>),
}

impl ManagementCluster {
    /// Has `work` ask it, with a client and the namespace that is meant.
    ///
    /// # Errors
    /// [`Error`], or what `work` meets.
    pub fn ask<T, E: From<Error>>(
        &self,
        work: impl AsyncFnOnce(Client, String) -> Result<T, E>,
    ) -> Result<T, E> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
        runtime.block_on(async {
            let (client, namespace) = self.client().await?;
            work(client, namespace).await
        })
    }

    async fn client(&self) -> Result<(Client, String), Error> {
        let context = self.context.clone();
        let wanted = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &wanted).await?
            }
            None => Config::from_kubeconfig(&wanted).await?,
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?;
        Ok((client, namespace))
    }
}
