//! Which management cluster a verb asks, as kubectl is told it.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

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

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No kubeconfig, or one that cannot be used.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// Its TLS or proxy settings do not work.
    #[error("kubeconfig: {0}")]
    Client(#[source] Box<kube::Error>),
}

impl ManagementCluster {
    /// A client, and the namespace that is meant. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn client(&self) -> Result<(Client, String), Error> {
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
