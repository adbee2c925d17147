//! Kubeconfig files in the field order in which client-go writes them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::Error;

/// Where the client finds the CA that must have signed the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// PEM certificates, embedded. A client never reads them again.
    Bundle(String),
    /// Path of a PEM file, as the process that reads the kubeconfig sees it.
    File(String),
}

/// A kubeconfig with one cluster and at most one user.
#[derive(Debug)]
pub struct Kubeconfig {
    cluster_name: String,
    cluster: Cluster,
    user: Option<(String, User)>,
}

impl Kubeconfig {
    /// The kubeconfig of the ConfigMap kube-public/cluster-info: one cluster with an empty name,
    /// no user, no context (kubeadm `phases/bootstraptoken/clusterinfo`).
    #[must_use]
    pub fn cluster_info(server: &str, ca_bundle: &str) -> Self {
        Self::new("", server, Trust::Bundle(ca_bundle.to_owned()))
    }

    /// A kubeconfig without a user; add one with the functions that start with `with_`.
    #[must_use]
    pub fn new(cluster_name: &str, server: &str, trust: Trust) -> Self {
        let mut cluster = Cluster { server: server.to_owned(), ..Cluster::default() };
        match trust {
            Trust::Bundle(pem) => cluster.certificate_authority_data = Some(STANDARD.encode(pem)),
            Trust::File(path) => cluster.certificate_authority = Some(path),
        }
        Self { cluster_name: cluster_name.to_owned(), cluster, user: None }
    }

    /// Embeds a client certificate: for people, who pass the file on as a whole.
    #[must_use]
    pub fn with_client_certificate(self, user: &str, cert_pem: &str, key_pem: &str) -> Self {
        self.with_user(
            user,
            User {
                client_certificate_data: Some(STANDARD.encode(cert_pem)),
                client_key_data: Some(Zeroizing::new(STANDARD.encode(key_pem))),
                ..User::default()
            },
        )
    }

    /// Names the client certificate's files: for components, which read them again when they
    /// change (client-go never reloads an embedded certificate).
    #[must_use]
    pub fn with_file_paths(self, user: &str, cert_path: &str, key_path: &str) -> Self {
        self.with_user(
            user,
            User {
                client_certificate: Some(cert_path.to_owned()),
                client_key: Some(key_path.to_owned()),
                ..User::default()
            },
        )
    }

    /// Embeds a bearer token, such as a bootstrap token.
    #[must_use]
    pub fn with_token(self, user: &str, token: &str) -> Self {
        let token = Some(Zeroizing::new(token.to_owned()));
        self.with_user(user, User { token, ..User::default() })
    }

    fn with_user(self, name: &str, user: User) -> Self {
        Self { user: Some((name.to_owned(), user)), ..self }
    }

    /// The file's text, equal for equal input. It may hold a private key or a token: keep it in a
    /// Secret.
    ///
    /// # Errors
    /// [`Error::KubeconfigUnwritable`].
    pub fn to_yaml(&self) -> Result<String, Error> {
        // kubeadm's naming (`util/kubeconfig.CreateBasic`).
        let context_name =
            self.user.as_ref().map(|(user, _)| format!("{user}@{}", self.cluster_name));
        let file = File {
            api_version: "v1",
            clusters: [NamedCluster { cluster: &self.cluster, name: &self.cluster_name }],
            contexts: self.user.as_ref().map(|(user, _)| {
                [NamedContext {
                    context: Context { cluster: &self.cluster_name, user },
                    name: context_name.as_deref().unwrap_or_default(),
                }]
            }),
            current_context: context_name.as_deref().unwrap_or_default(),
            kind: "Config",
            users: self.user.as_ref().map(|(name, user)| [NamedUser { name, user }]),
        };
        serde_yaml_ng::to_string(&file).map_err(Error::KubeconfigUnwritable)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    clusters: [NamedCluster<'a>; 1],
    contexts: Option<[NamedContext<'a>; 1]>,
    current_context: &'a str,
    kind: &'a str,
    users: Option<[NamedUser<'a>; 1]>,
}

#[derive(Serialize)]
struct NamedCluster<'a> {
    cluster: &'a Cluster,
    name: &'a str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
    server: String,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    context: Context<'a>,
    name: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    cluster: &'a str,
    user: &'a str,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'a str,
    user: &'a User,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("User(<redacted>)")
    }
}
