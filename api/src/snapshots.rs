//! How a tenant's etcd is saved, what has been saved, and what to go back to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SnapshotBucket;

/// How the tenant's etcd is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshots {
    /// Take no snapshots while true, not even before an upgrade.
    #[serde(default)]
    pub suspend: bool,

    /// Time from one snapshot to the next, a Go duration in hours, minutes and seconds (`6h`, `1h30m`).
    #[serde(default = "default_schedule")]
    #[schemars(regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), length(min = 2, max = 16))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("spec.snapshots.schedule must be from 1m to 8760h"))]
    pub schedule: String,

    /// Number of snapshots that are kept; the oldest goes when there are more.
    #[serde(default = "default_keep")]
    #[schemars(range(min = 1, max = 12))]
    pub keep: i32,

    /// Volume that they are kept on.
    #[serde(default)]
    pub volume: SnapshotVolume,

    /// S3-compatible bucket that they are kept in instead of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<SnapshotBucket>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            suspend: false,
            schedule: default_schedule(),
            keep: default_keep(),
            volume: SnapshotVolume::default(),
            s3: None,
        }
    }
}

/// Volume claim `etcd-snapshots` of the control-plane namespace, made with the first snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotVolume {
    /// StorageClass. Default: that of etcd's volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,

    /// Requested size, a Kubernetes quantity in bytes.
    #[serde(default = "default_size")]
    #[schemars(regex(pattern = r"^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    pub size: String,
}

impl Default for SnapshotVolume {
    fn default() -> Self {
        Self { class_name: None, size: default_size() }
    }
}

/// What the cluster's content goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreFrom {
    /// Name of a snapshot in `status.snapshots`.
    #[schemars(length(min = 1, max = 40))]
    pub snapshot: String,
}

/// A snapshot that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What `spec.restoreFrom.snapshot` calls it.
    pub name: String,

    /// When it was taken.
    pub time: Time,

    /// Size in bytes.
    pub size_bytes: i64,

    /// Kubernetes version of the cluster at that time.
    pub version: String,

    /// What it was taken for.
    pub reason: String,

    /// Folder of the bucket that it is in, as a URL; none: it is on the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

fn default_schedule() -> String {
    "6h".to_owned()
}

fn default_keep() -> i32 {
    4
}

/// Five snapshots, one of them in the making, of the largest database that the default etcd volume can hold.
fn default_size() -> String {
    "5Gi".to_owned()
}
