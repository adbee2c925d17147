//! `TenantCluster`: one tenant's Kubernetes control plane, as its operator asks for it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::{READY, is_true};
use crate::{Addons, Expose, Networking, RestoreFrom, Snapshot, Snapshots};

/// A Kubernetes control plane that Nagaya runs for one tenant.
///
/// Only `version` has to be given; every other field has a default.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "nagaya.dev",
    version = "v1alpha1",
    kind = "TenantCluster",
    plural = "tenantclusters",
    shortname = "tnc",
    category = "nagaya",
    namespaced,
    status = "TenantClusterStatus",
    derive = "PartialEq",
    doc = "A Kubernetes control plane that Nagaya runs for one tenant.",
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be a DNS label of at most 40 characters that starts with a letter: it becomes part of host names and of a namespace"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.endpoint) || (has(oldSelf.spec.expose.hostname) ? (has(self.spec.expose.hostname) && self.spec.expose.hostname == oldSelf.spec.expose.hostname) || !oldSelf.status.endpoint.startsWith(oldSelf.spec.expose.hostname + ':') : !has(self.spec.expose.hostname)) || self.spec.expose.type != oldSelf.spec.expose.type")
        .message("spec.expose.hostname cannot be set, changed or removed once the cluster has an endpoint: every kubelet has it in its kubeconfig; add names with spec.expose.extraNames"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantClusterSpec {
    /// Kubernetes version: exact (`v1.37.1`), or a minor (`1.37`) that is resolved once to the newest
    /// patch then known. It never moves by itself; it can be set to newer patches and one minor up.
    #[schemars(regex(pattern = r"^(v[0-9]+\.[0-9]+\.[0-9]+|[0-9]+\.[0-9]+)$"))]
    pub version: String,

    /// The tenant's kube-apiserver.
    #[serde(default)]
    pub control_plane: ControlPlane,

    /// The tenant's etcd.
    #[serde(default)]
    pub etcd: Etcd,

    /// Addresses and names inside the tenant cluster. Immutable: nodes and Services already use them.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.networking is immutable: nodes and Services already use it; create a new TenantCluster instead"))]
    pub networking: Networking,

    /// How the tenant's nodes and clients reach the API server.
    #[serde(default)]
    pub expose: Expose,

    /// JSON merge patch (RFC 7386) on the KubeletConfiguration that kubeadm would write for this minor.
    /// Nodes read it when they join. Fields that would break the join are refused by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_object")]
    pub kubelet: Option<serde_json::Value>,

    /// What Nagaya runs inside the tenant cluster.
    #[serde(default)]
    pub addons: Addons,

    /// How the tenant's etcd is saved.
    #[serde(default)]
    pub snapshots: Snapshots,

    /// Bring the cluster's content back to what it was at a snapshot, once for each value: etcd is filled with the
    /// snapshot, and all that was written since is gone. Taken away and set again, it is done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_from: Option<RestoreFrom>,

    /// What becomes of the control plane when this object is deleted. `Retain` keeps PKI and etcd
    /// volume; creating the same name again adopts them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Refuse to delete this object while true.
    #[serde(default)]
    pub deletion_protection: bool,

    /// Stop applying changes. Probing and status go on.
    #[serde(default)]
    pub paused: bool,
}

/// The tenant's kube-apiserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// Number of kube-apiserver replicas.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: i32,
}

impl Default for ControlPlane {
    fn default() -> Self {
        Self { replicas: one() }
    }
}

/// The tenant's etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Etcd {
    /// Number of etcd members.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 5))]
    #[x_kube(validation = Rule::new("self in [1, 3, 5]").message("spec.etcd.replicas must be 1, 3 or 5: an even number of members tolerates no more failures than one fewer"))]
    pub replicas: i32,

    /// Where each member keeps its data. Immutable: a volume claim cannot be moved or shrunk in place.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.etcd.storage is immutable: a volume claim cannot be changed in place; create a new TenantCluster instead"))]
    pub storage: EtcdStorage,

    /// Largest size of each member's database, a Kubernetes quantity in bytes; when it is used up, the cluster can be
    /// read and not written. Default: half of `storage.size`, 8Gi at most. The other half is for etcd's logs, and for
    /// the copy that a defragmentation makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]*(Mi|Gi)$"))]
    pub quota: Option<String>,
}

impl Default for Etcd {
    fn default() -> Self {
        Self { replicas: one(), storage: EtcdStorage::default(), quota: None }
    }
}

/// Volume claim of an etcd member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdStorage {
    /// StorageClass. Default: the manager's setting, else the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,

    /// Requested size, a Kubernetes quantity in bytes.
    #[serde(default = "default_size")]
    #[schemars(regex(pattern = r"^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    pub size: String,
}

impl Default for EtcdStorage {
    fn default() -> Self {
        Self { class_name: None, size: default_size() }
    }
}

/// What becomes of a control plane when its `TenantCluster` is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Everything goes, data included.
    #[default]
    Delete,
    /// PKI and etcd volume stay; the same name created again adopts them.
    Retain,
}

/// What Nagaya saw of a tenant's control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::conditions::not_looked_at()))]
pub struct TenantClusterStatus {
    /// `metadata.generation` of the spec this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Exact Kubernetes version that `spec.version` was resolved to; while an upgrade is under way, the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// The `spec.version` that `version` was resolved from: a minor stays where it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_from: Option<String>,

    /// `host:port` that clients and nodes use, as in kubeadm's `controlPlaneEndpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub endpoint: Option<String>,

    /// IP addresses behind `endpoint`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,

    /// With `type: External`, the port on every management node that the load balancer has to lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,

    /// The endpoint of before `spec.expose.type` was changed; it is served until `spec.expose.retiredEndpoint` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_endpoint: Option<FormerEndpoint>,

    /// Namespace on the management cluster that holds the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_namespace: Option<String>,

    /// Number of nodes that have joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<i32>,

    /// Snapshots of etcd that can be restored, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Snapshot>,

    /// What is true of the control plane now. `Ready` is True exactly when a stock `kubeadm join` would
    /// succeed; most other types are parts of the way there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// An endpoint that is served beside the present one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerEndpoint {
    /// `host:port`.
    #[schemars(length(max = 260))]
    pub endpoint: String,

    /// Nodes that are not known to use the present endpoint, in order; not more than 20 of them. `NodesMoved` says how
    /// many there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,

    /// What to run there as root: the kubelet uses the present endpoint from then on, and its Node says so.
    pub command: String,
}

fn one() -> i32 {
    1
}

fn default_size() -> String {
    "2Gi".to_owned()
}

/// An object whose fields another API defines: kept as given, checked when it is used.
pub(crate) fn free_form_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

impl TenantCluster {
    /// A condition of its status; `None`: the manager has not said it.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.as_ref()?.conditions.iter().find(|one| one.type_ == kind)
    }

    /// Whether its status says that a stock `kubeadm join` would succeed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.as_ref().is_some_and(|status| is_true(&status.conditions, READY))
    }
}
