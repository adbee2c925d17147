//! `JoinToken`: a bootstrap token with a life span, handed out as a Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Permission to join nodes to a `TenantCluster` of the same namespace, for a while.
///
/// What a node needs is in the Secret `NAME-join`. After its life the object
/// stays as `Expired` and is never issued again.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "nagaya.dev",
    version = "v1alpha1",
    kind = "JoinToken",
    plural = "jointokens",
    category = "nagaya",
    namespaced,
    status = "JoinTokenStatus",
    derive = "PartialEq",
    doc = "Permission to join nodes to a TenantCluster of the same namespace, for a while.",
    validation = Rule::new("size(self.metadata.name) <= 58").message("metadata.name must have at most 58 characters: the Secret is called NAME-join"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expirationTime"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName"),
    printcolumn(name = "Last node", type_ = "string", json_path = ".status.lastAttempt.node", priority = 1),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.lastAttempt.outcome", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("a JoinToken's spec is immutable: create another JoinToken instead"))]
pub struct JoinTokenSpec {
    /// Name of the `TenantCluster` in the same namespace.
    #[schemars(length(min = 1, max = 40))]
    pub cluster_name: String,

    /// Life span from the creation of this object on, a Go duration in hours, minutes and seconds (`24h`, `1h30m`).
    #[serde(default = "default_ttl")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 16))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("spec.ttl must be from 1m to 8760h"))]
    pub ttl: String,

    /// What the `cloud-init` user-data does besides joining.
    #[serde(default)]
    pub cloud_init: CloudInit,
}

/// What the `cloud-init` user-data does besides joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudInit {
    /// Install containerd, kubelet and kubeadm of the cluster's minor first. Turn it off for images
    /// that already hold them.
    #[serde(default = "yes")]
    pub install: bool,
}

impl Default for CloudInit {
    fn default() -> Self {
        Self { install: yes() }
    }
}

/// What became of a `JoinToken`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::conditions::not_looked_at()))]
pub struct JoinTokenStatus {
    /// `metadata.generation` of the spec this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Where in its life the token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JoinTokenState>,

    /// Public half of the token: the `ID` of `ID.SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "tokenID")]
    pub token_id: Option<String>,

    /// When the token stops working: creation time plus `spec.ttl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,

    /// Secret in this namespace that holds what a node needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,

    /// The last time that a machine showed the token to the API server and asked for its certificate. A token that the
    /// API server does not know, or no longer, is refused before it is told whose it is: that is not seen here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<JoinAttempt>,

    /// What is true of the token now. `Issued`: it is in the tenant cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Where in its life a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JoinTokenState {
    /// Waiting for its cluster.
    Pending,
    /// Nodes can join with it.
    Issued,
    /// Its life is over; it is gone from the tenant and is never issued again.
    Expired,
}

/// A machine that showed a token to the API server, and what became of its request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinAttempt {
    /// When it asked.
    pub time: Time,

    /// Name of the node that it wants to be; empty where its request cannot be read.
    #[schemars(length(max = 253))]
    pub node: String,

    /// What it got.
    pub outcome: JoinOutcome,

    /// Why, where it got no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl JoinAttempt {
    /// Whether the other one is the newer. The API server tells seconds apart; those of one second are told apart by their
    /// nodes, so that in whatever order they are seen the same is the last.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        (self.time.0, &self.node) < (other.time.0, &other.node)
    }
}

/// What a machine got that asked for its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JoinOutcome {
    /// A certificate: from then on it is on its own.
    Issued,
    /// Nothing yet.
    Pending,
    /// Somebody denied it.
    Denied,
    /// It was approved, and could not be signed.
    Failed,
}

/// Keys of the Secret `NAME-join`.
pub mod secret_keys {
    /// The bootstrap token, `ID.SECRET`.
    pub const TOKEN: &str = "token";
    /// `sha256:HEX` for `--discovery-token-ca-cert-hash`.
    pub const CA_CERT_HASH: &str = "caCertHash";
    /// `host:port` of the API server.
    pub const ENDPOINT: &str = "endpoint";
    /// The whole `kubeadm join` command line.
    pub const COMMAND: &str = "command";
    /// User-data for a Debian image.
    pub const CLOUD_INIT: &str = "cloud-init";
}

fn default_ttl() -> String {
    "24h".to_owned()
}

fn yes() -> bool {
    true
}
