//! Names and ports of the management side, where two files have to agree on them.

/// ClusterRole that the manager is bound to in each control-plane namespace.
pub const CONTROL_PLANE_ROLE: &str = "nagaya:control-plane";
/// RoleBinding in each control-plane namespace.
pub const MANAGER_BINDING: &str = "nagaya-manager";
/// The manager's ServiceAccount.
pub const MANAGER_SERVICE_ACCOUNT: &str = "nagaya";
/// Namespace of the manager.
pub const MANAGER_NAMESPACE: &str = "nagaya-system";

/// etcd: its StatefulSet and its headless Service.
pub const ETCD: &str = "etcd";
/// Template of the volume claims of etcd's members.
pub const ETCD_DATA: &str = "data";
/// Service that etcd's clients connect to.
pub const ETCD_CLIENT: &str = "etcd-client";
/// ConfigMap with what an etcd member reads only when it is born.
pub const ETCD_STATE: &str = "etcd-state";
/// kube-apiserver: its Deployment and its internal Service.
pub const API_SERVER: &str = "kube-apiserver";
/// Service of the endpoint.
pub const API_SERVER_PUBLIC: &str = "kube-apiserver-public";
/// Service of the endpoint of a cluster that was born with another one ([`crate::moves`]).
pub const API_SERVER_PUBLIC_2: &str = "kube-apiserver-public-2";
/// ConfigMap with kube-apiserver's `AuthenticationConfiguration`.
pub const API_SERVER_AUTHENTICATION: &str = "kube-apiserver-authentication";
/// StatefulSet of kube-controller-manager.
pub const CONTROLLER_MANAGER: &str = "kube-controller-manager";
/// StatefulSet of kube-scheduler.
pub const SCHEDULER: &str = "kube-scheduler";

/// The tunnel's server, beside kube-apiserver in its pods, and the Service by which its agents reach it.
pub const TUNNEL_SERVER: &str = "konnectivity-server";

/// Volume claim of the snapshots of etcd.
pub const ETCD_SNAPSHOTS: &str = "etcd-snapshots";
/// A Job that saves etcd is called this, a hyphen and the snapshot's name.
pub const ETCD_SNAPSHOT: &str = "etcd-snapshot";
/// A Job that restores etcd is called this, a hyphen and a digest of the snapshot's name.
pub const ETCD_RESTORE: &str = "etcd-restore";
/// Secret with the certificate of the Job that saves etcd.
pub const SNAPSHOT_CLIENT: &str = "etcd-snapshot-client";
/// Secret with the credentials of the bucket that snapshots are kept in.
pub const SNAPSHOT_BUCKET: &str = "etcd-snapshot-s3";

/// `PriorityClass`es of `manifests/priorities.yaml`: when a management node is full, what others wait for stays.
pub const ETCD_PRIORITY: &str = "nagaya-etcd";
/// As [`ETCD_PRIORITY`], for kube-apiserver.
pub const API_SERVER_PRIORITY: &str = "nagaya-kube-apiserver";
/// As [`ETCD_PRIORITY`], for the components without clients.
pub const CONTROLLER_PRIORITY: &str = "nagaya-control-plane";

/// Port of kube-apiserver, in its pod and in its Services.
pub const API_SERVER_PORT: u16 = 6443;
/// Port on which etcd serves clients.
pub const ETCD_CLIENT_PORT: u16 = 2379;
/// Port on which etcd members meet.
pub const ETCD_PEER_PORT: u16 = 2380;
/// Port of etcd's probes, in plain HTTP.
pub const ETCD_PROBE_PORT: u16 = 2381;

/// Port on which the tunnel's server waits for agents (konnectivity's default).
pub const TUNNEL_PORT: u16 = 8132;
/// Port of what is for its own pod alone: upstream cannot do without.
pub const TUNNEL_ADMIN_PORT: u16 = 8133;
/// Port of its probes, in plain HTTP.
pub const TUNNEL_PROBE_PORT: u16 = 8134;

/// The most members that an etcd may ever have: their names are in its certificates from the start, so
/// that growing issues none anew.
pub const MOST_ETCD_MEMBERS: u8 = 5;
/// Exit code of the init container that lets an etcd member start, when the member's volume is empty.
pub const EMPTY_VOLUME: u8 = 3;

/// What an etcd member is told by environment variables when it starts, out of [`ETCD_STATE`]: `new` before etcd was healthy for
/// the first time, then `existing`.
pub const INITIAL_CLUSTER_STATE: &str = "ETCD_INITIAL_CLUSTER_STATE";
/// Who joins, and as which member: `etcd-2=8e9e05c52164694d`; empty: nobody.
pub const JOINING: &str = "NAGAYA_ETCD_JOINING";

/// User as which kube-apiserver calls aggregated API servers.
pub(crate) const FRONT_PROXY_USER: &str = "front-proxy-client";

/// Where an etcd member serves its clients.
#[must_use]
pub fn etcd_client_url(namespace: &str, ordinal: u8) -> String {
    format!("https://{}:{ETCD_CLIENT_PORT}", etcd_member_host(namespace, &member_name(ordinal)))
}

/// Where an etcd member meets the others.
#[must_use]
pub fn etcd_peer_url(namespace: &str, ordinal: u8) -> String {
    format!("https://{}:{ETCD_PEER_PORT}", etcd_member_host(namespace, &member_name(ordinal)))
}

/// The pod of a member, which is the member's name too.
#[must_use]
pub fn member_name(ordinal: u8) -> String {
    format!("{ETCD}-{ordinal}")
}

/// The `2` of `etcd-2`; `None`: it is none of ours.
#[must_use]
pub fn member_ordinal(member: &str) -> Option<u8> {
    member.strip_prefix(ETCD)?.strip_prefix('-')?.parse().ok()
}

/// A member's volume claim, as the StatefulSet calls it.
#[must_use]
pub fn member_claim(member: &str) -> String {
    format!("{ETCD_DATA}-{member}")
}

/// The `2` of `data-etcd-2`; `None`: it is none of ours.
#[must_use]
pub fn claim_ordinal(claim: &str) -> Option<u8> {
    member_ordinal(claim.strip_prefix(ETCD_DATA)?.strip_prefix('-')?)
}

/// The DNS name of an etcd pod. It ends at `svc`: the domain of the management cluster is not known here.
pub(crate) fn etcd_member_host(namespace: &str, pod: &str) -> String {
    format!("{pod}.{ETCD}.{namespace}.svc")
}
