//! What is read. Nothing here says whether it is good, and what cannot be read says why.
//!
//! Whoever may write Secrets of the project may put another kubeconfig in the place of Nagaya's, and what a kubeconfig can
//! ask for is done on the host of whoever uses it: programs that are started, files that are read.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use nagaya_api::{JoinAttempt, JoinOutcome, JoinToken, TenantCluster, secret_keys};
use nagaya_doctor::Arguments;
use nagaya_render::certificates::{ADMIN_KUBECONFIG, admin_secret_name};
use nagaya_render::join_token::join_secret_name;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::{is_subdomain, token};

/// For each question: an operator waits for all of them.
const PATIENCE: Duration = Duration::from_secs(8);
/// More certificate requests than that are not looked at.
const MOST_REQUESTS: u32 = 500;

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
    /// That of the machine that joined last.
    pub(super) node: Option<Node>,
}

/// The kubeconfig that Nagaya writes (`render/src/certificates/admin.rs`), and nothing beside it.
#[derive(Deserialize)]
struct OfNagaya {
    clusters: [NamedCluster; 1],
    users: [NamedUser; 1],
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct User {
    client_certificate_data: String,
    client_key_data: String,
}

impl Handed {
    /// As `nagaya-doctor` takes it; `None`: kubeadm could not use it. Why not would repeat the token.
    pub(super) fn join(&self) -> Option<Arguments> {
        let Self { endpoint, token, pin } = self;
        Arguments::of_join(endpoint, Some((token, pin))).ok()
    }
}

impl Seen {
    /// Where machines are sent to: by the join command, else by the status.
    pub(super) fn endpoint(&self) -> Option<String> {
        let endpoint = || self.cluster.as_ref().ok()?.as_ref()?.status.as_ref()?.endpoint.clone();
        self.join().map(|join| join.endpoint.to_string()).or_else(endpoint)
    }

    /// The join command that was handed out.
    pub(super) fn join(&self) -> Option<Arguments> {
        self.handed.as_ref().ok()?.as_ref()?.join()
    }
}

/// The machine that got a certificate last by this token.
pub(super) fn joined(token: &Asked<JoinToken>) -> Option<&JoinAttempt> {
    let attempt = token.as_ref().ok()?.as_ref()?.status.as_ref()?.last_attempt.as_ref()?;
    (attempt.outcome == JoinOutcome::Issued).then_some(attempt)
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
    let inside = inside(client, namespace, name, joined(&token)).await;
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
    Ok(newest(all.items, cluster, Timestamp::now()))
}

/// One that is over only if there is no other.
pub(super) fn newest(all: Vec<JoinToken>, cluster: &str, now: Timestamp) -> Option<JoinToken> {
    let of_cluster = all.into_iter().filter(|one| one.spec.cluster_name == cluster);
    of_cluster.max_by_key(|one| {
        let is_over = one.metadata.deletion_timestamp.is_some() || token::has_expired(one, now);
        (!is_over, one.creation_timestamp().map(|time| time.0), one.name_any())
    })
}

async fn handed(client: &Client, namespace: &str, token: &str) -> Asked<Handed> {
    let name = join_secret_name(token);
    let secret: Option<Secret> = get(client, namespace, &name).await?;
    let Some(secret) = secret else { return Ok(None) };
    let of = |key| value(&secret, key).ok_or_else(|| format!("the Secret {name} has no {key}"));
    let (endpoint, token) = (of(secret_keys::ENDPOINT)?, of(secret_keys::TOKEN)?);
    Ok(Some(Handed { endpoint, token, pin: of(secret_keys::CA_CERT_HASH)? }))
}

async fn inside(
    client: &Client,
    namespace: &str,
    name: &str,
    joined: Option<&JoinAttempt>,
) -> Result<Inside, String> {
    let name = admin_secret_name(name);
    let secret: Option<Secret> = get(client, namespace, &name).await?;
    let kubeconfig = secret.as_ref().and_then(|secret| value(secret, ADMIN_KUBECONFIG));
    let kubeconfig =
        kubeconfig.ok_or_else(|| format!("there is no Secret {name} with a kubeconfig"))?;
    let client = administrator(&kubeconfig).await;
    // Why not would repeat what is in there.
    let client = client.ok_or_else(|| {
        format!("the kubeconfig in the Secret {name} is not Nagaya's: it is not used")
    })?;
    let some = ListParams::default().limit(MOST_REQUESTS);
    let requests = Api::<CertificateSigningRequest>::all(client.clone());
    let requests = in_time(requests.list(&some)).await?.items;
    let node = match joined.filter(|attempt| is_subdomain(&attempt.node)) {
        Some(JoinAttempt { node, .. }) => in_time(Api::<Node>::all(client).get_opt(node)).await?,
        None => None,
    };
    Ok(Inside { requests, node })
}

/// A client of the tenant's own cluster. Of the kubeconfig nothing is taken but an address and keys.
pub(super) async fn administrator(kubeconfig: &str) -> Option<Client> {
    let OfNagaya { clusters: [named], users: [NamedUser { user }] } =
        serde_yaml_ng::from_str(kubeconfig).ok()?;
    let Cluster { server, certificate_authority_data } = named.cluster;
    let read = Kubeconfig::deserialize(json!({
        "clusters": [{"name": "tenant", "cluster": {
            "server": server, "certificate-authority-data": certificate_authority_data,
        }}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": user.client_certificate_data,
            "client-key-data": user.client_key_data,
        }}],
        "contexts": [{"name": "admin", "context": {"cluster": "tenant", "user": "admin"}}],
        "current-context": "admin",
    }));
    let config = Config::from_custom_kubeconfig(read.ok()?, &KubeConfigOptions::default()).await;
    Client::try_from(config.ok()?).ok()
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
