//! What is read. Nothing here says whether it is good, and what cannot be read says why.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use nagaya_api::{JoinToken, TenantCluster, secret_keys};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// For each question: an operator waits for all of them.
const PATIENCE: Duration = Duration::from_secs(8);
/// Of the Secret `NAME-kubeconfig` (`src/controllers/tenant_cluster/kubeconfig.rs`, as Cluster API has it).
const KUBECONFIG: &str = "value";

/// What was asked for: it, or none, or why nobody knows.
pub(super) type Asked<T> = Result<Option<T>, String>;

/// All of it.
pub(super) struct Seen {
    pub(super) cluster: Asked<TenantCluster>,
    /// The one that is asked for by name, else the newest of the cluster.
    pub(super) token: Asked<JoinToken>,
    /// Its name, where it is asked for by that.
    pub(super) wanted: Option<String>,
    /// What its Secret holds.
    pub(super) handed: Asked<Handed>,
    /// The tenant's own cluster, or why that cannot be looked into.
    pub(super) inside: Result<Inside, String>,
}

/// The words of the join command.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    pub(super) endpoint: String,
    pub(super) token: String,
    pub(super) pin: String,
}

/// What the tenant's API server says to its administrator.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) requests: Vec<CertificateSigningRequest>,
    pub(super) nodes: Vec<Node>,
}

impl Seen {
    /// Where machines are sent to: by the join command, else by the status.
    pub(super) fn endpoint(&self) -> Option<String> {
        if let Ok(Some(handed)) = &self.handed {
            return Some(handed.endpoint.clone());
        }
        self.cluster.as_ref().ok()?.as_ref()?.status.as_ref()?.endpoint.clone()
    }
}

/// Reads what there is of the `TenantCluster` called `name`.
pub(super) async fn see(
    client: &Client,
    namespace: &str,
    name: &str,
    wanted: Option<&str>,
) -> Seen {
    let cluster = get(client, namespace, name).await;
    let token = match wanted {
        Some(token) => get(client, namespace, token).await,
        None => newest_token(client, namespace, name).await,
    };
    let handed = match &token {
        Ok(Some(token)) => handed(client, namespace, &token.name_any()).await,
        _ => Ok(None),
    };
    let inside = inside(client, namespace, name).await;
    Seen { cluster, token, wanted: wanted.map(str::to_owned), handed, inside }
}

async fn get<K>(client: &Client, namespace: &str, name: &str) -> Asked<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    in_time(Api::<K>::namespaced(client.clone(), namespace).get_opt(name)).await
}

async fn newest_token(client: &Client, namespace: &str, cluster: &str) -> Asked<JoinToken> {
    let all = Api::<JoinToken>::namespaced(client.clone(), namespace);
    let all = in_time(all.list(&ListParams::default())).await?;
    let of_cluster = all.items.into_iter().filter(|one| one.spec.cluster_name == cluster);
    Ok(of_cluster.max_by_key(|one| (one.creation_timestamp().map(|time| time.0), one.name_any())))
}

async fn handed(client: &Client, namespace: &str, token: &str) -> Asked<Handed> {
    let secret: Option<Secret> = get(client, namespace, &format!("{token}-join")).await?;
    let Some(secret) = secret else { return Ok(None) };
    let of =
        |key| value(&secret, key).ok_or_else(|| format!("the Secret {token}-join has no {key}"));
    let (endpoint, token) = (of(secret_keys::ENDPOINT)?, of(secret_keys::TOKEN)?);
    Ok(Some(Handed { endpoint, token, pin: of(secret_keys::CA_CERT_HASH)? }))
}

async fn inside(client: &Client, namespace: &str, name: &str) -> Result<Inside, String> {
    let secret: Option<Secret> = get(client, namespace, &format!("{name}-kubeconfig")).await?;
    let kubeconfig = secret.as_ref().and_then(|secret| value(secret, KUBECONFIG));
    let kubeconfig = kubeconfig
        .ok_or_else(|| format!("there is no Secret {name}-kubeconfig with a kubeconfig"))?;
    let unusable = |error: &dyn std::fmt::Display| format!("the Secret {name}-kubeconfig: {error}");
    let read = Kubeconfig::from_yaml(&kubeconfig).map_err(|error| unusable(&error))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.map_err(|error| unusable(&error))?);
    let client = client.map_err(|error| unusable(&error))?;
    let all = ListParams::default();
    let requests = Api::<CertificateSigningRequest>::all(client.clone());
    let requests = in_time(requests.list(&all)).await?.items;
    let nodes = in_time(Api::<Node>::all(client).list(&all)).await?.items;
    Ok(Inside { requests, nodes })
}

async fn in_time<T>(question: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|error| in_words(&error)),
        Err(_) => Err(format!("there was no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The cause: the outer words of an error of the connection say only that there was one.
fn in_words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn value(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok()
}
