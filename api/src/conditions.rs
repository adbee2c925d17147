//! Condition types, after the Kubernetes API conventions and kstatus.
//!
//! `Ready` is True exactly when a stock `kubeadm join` would succeed now. `Reconciling` and `Stalled`
//! are present only while True (kstatus), and so is `ConnectionsLimited`. `NodesCutOff` is False while all is well.
//! `SnapshotsReady`, `NodesMoved` and `NodesReady` say nothing of joining, and `Issued` is of a `JoinToken`. Every other
//! type is one part of the way to `Ready`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A stock `kubeadm join` would succeed now.
pub const READY: &str = "Ready";
/// Nagaya is still moving towards what the spec asks for.
pub const RECONCILING: &str = "Reconciling";
/// Nothing more will happen until somebody acts; the message says what to do.
pub const STALLED: &str = "Stalled";

/// The spec is valid.
pub const ACCEPTED: &str = "Accepted";
/// Every certificate and key exists and is in its life.
pub const CERTIFICATES_READY: &str = "CertificatesReady";
/// etcd has a quorum.
pub const ETCD_READY: &str = "EtcdReady";
/// At least one kube-apiserver is ready.
pub const API_SERVER_READY: &str = "APIServerReady";
/// kube-controller-manager is ready: without it nothing signs.
pub const CONTROLLER_MANAGER_READY: &str = "ControllerManagerReady";
/// kube-scheduler is ready.
pub const SCHEDULER_READY: &str = "SchedulerReady";
/// What kubeadm and nodes read in the tenant cluster is in place.
pub const CONTENT_READY: &str = "ContentReady";
/// The public endpoint answers with the tenant's certificate.
pub const ENDPOINT_REACHABLE: &str = "EndpointReachable";
/// The last attempt to save etcd succeeded; absent before the first one.
pub const SNAPSHOTS_READY: &str = "SnapshotsReady";
/// Every node is Ready; absent while there is none. It is the tenant's, and no part of the way to `Ready`.
pub const NODES_READY: &str = "NodesReady";
/// No node renews its Lease any more, though the API server answers: nodes and pods are left alone. Absent before the first
/// time.
pub const NODES_CUT_OFF: &str = "NodesCutOff";
/// Every node is known to use the endpoint, and none the former one. There only while there is a former one.
pub const NODES_MOVED: &str = "NodesMoved";
/// The gateway refuses connections because there are more than it allows. There only while True.
pub const CONNECTIONS_LIMITED: &str = "ConnectionsLimited";
/// The token of a `JoinToken` is in the tenant cluster.
pub const ISSUED: &str = "Issued";

/// The status of an object that nobody has looked at yet, as Flux has it: without it, kstatus takes an object
/// without a status for one that is done.
pub(crate) fn not_looked_at() -> serde_json::Value {
    serde_json::json!({"observedGeneration": -1})
}

/// Whether the condition of that type is there and True.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|one| one.type_ == kind && one.status == "True")
}

/// Schema of a list of conditions: a map keyed by `type`, so that several writers can own their own.
pub(crate) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
            },
        },
    })
}
