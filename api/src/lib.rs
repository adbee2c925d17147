//! The `nagaya.dev` API: the kinds that operators and tenants write, and the words Nagaya answers with.
//!
//! One file per kind. Nothing here talks to a cluster, so other programs can use it to build and read objects.

mod addons;
pub mod conditions;
mod expose;
mod field_policy;
mod join_token;
pub mod labels;
mod limited;
mod networking;
pub mod reasons;
mod snapshot_bucket;
mod snapshots;
mod tenant_cluster;

pub use addons::{
    AddonResources, Addons, CoreDnsAddon, CorefileAdditions, ForwarderAddon, KonnectivityAddon,
    KubeProxyAddon, Management,
};
pub use expose::{Expose, ExposeType, ExternalExpose, LoadBalancerExpose, NodePortExpose};
pub use field_policy::{Change, FIELD_POLICIES, FieldPolicy};
pub use join_token::{
    CloudInit, JoinAttempt, JoinOutcome, JoinToken, JoinTokenSpec, JoinTokenState, JoinTokenStatus,
    secret_keys,
};
pub use limited::{LIMITED_PATH, LimitedRoute, LimitedRoutes};
pub use networking::Networking;
pub use snapshot_bucket::{SnapshotBucket, bucket_keys};
pub use snapshots::{RestoreFrom, Snapshot, SnapshotVolume, Snapshots};
pub use tenant_cluster::{
    ControlPlane, DeletionPolicy, Etcd, EtcdStorage, FormerEndpoint, TenantCluster,
    TenantClusterSpec, TenantClusterStatus,
};

/// API group of every kind here.
pub const GROUP: &str = "nagaya.dev";
