//! The two Kubernetes clients: one for the projects' side, one for the planes' side.
//!
//! Today both are usually the same cluster. Nothing may assume so: a `TenantCluster` is read and written
//! with `projects`, a control plane with `planes`.

use std::path::Path;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::count_requests::{ApiRequests, CountRequests, Side};
use crate::leader::{Fence, Term};

/// The two clients.
#[derive(Clone)]
pub struct Clients {
    /// Where `TenantCluster`s, `JoinToken`s and the tenants' Secrets are.
    pub projects: Client,
    /// Where control planes run.
    pub planes: Client,
}

/// A client that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a service account nor a kubeconfig.
    #[error(
        "no Kubernetes cluster is configured: run in a pod with a service account, or set KUBECONFIG: {0}"
    )]
    Infer(#[source] kube::config::InferConfigError),
    /// `planesKubeconfig` cannot be used.
    #[error("planesKubeconfig {path}: {source}")]
    PlanesKubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// TLS or proxy settings of a configuration do not work.
    #[error("cannot make a client of the Kubernetes configuration: {0}")]
    Build(#[source] kube::Error),
}

impl Clients {
    /// Clients of the cluster that the manager runs in (or `KUBECONFIG` names) and, for the planes, of
    /// the one that `planes_kubeconfig` names, if given. Their requests are counted in `requests`; they write
    /// only while `term` is on.
    ///
    /// # Errors
    /// [`ConnectError`]. Nothing is sent yet.
    pub async fn connect(
        planes_kubeconfig: Option<&Path>,
        requests: &ApiRequests,
        term: &Term,
    ) -> Result<Self, ConnectError> {
        let projects = Config::infer().await.map_err(ConnectError::Infer)?;
        let planes = match planes_kubeconfig {
            None => projects.clone(),
            Some(path) => read_kubeconfig(path).await.map_err(|source| {
                ConnectError::PlanesKubeconfig { path: path.display().to_string(), source }
            })?,
        };
        let fence = Fence::new(term.clone());
        Ok(Self {
            projects: client(projects, Side::Projects, requests, &fence)?,
            planes: client(planes, Side::Planes, requests, &fence)?,
        })
    }
}

async fn read_kubeconfig(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

fn client(
    config: Config,
    side: Side,
    requests: &ApiRequests,
    fence: &Fence,
) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Build)?;
    // Outermost is what was added last: what the fence refuses is not counted, it was not sent.
    Ok(builder.with_layer(&CountRequests::new(side, requests.clone())).with_layer(fence).build())
}
