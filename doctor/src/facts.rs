//! What is seen. Nothing here says whether it is good.

use std::net::SocketAddr;

use jiff::Timestamp;

use crate::cluster_info::ClusterInfo;
use crate::version::Version;

/// All of it.
#[derive(Debug, Clone)]
pub struct Facts {
    pub machine: Machine,
    pub way: Way,
}

/// What is seen without a network.
#[derive(Debug, Clone)]
pub struct Machine {
    pub is_root: bool,
    /// What the kubelet calls itself; the error is what came instead.
    pub kubelet: Result<Version, String>,
    pub kubeadm: Result<Version, String>,
    /// Other programs that kubeadm wants and that are not there.
    pub missing: Vec<&'static str>,
    pub host_name: String,
    /// Where the kubelet looks for space: its own folder first.
    pub disks: Vec<Disk>,
    /// Devices and files that are swapped to.
    pub swaps: Vec<String>,
    pub ipv4_forward: Option<bool>,
    pub ipv6_forward: Option<bool>,
    /// None if the module is not there.
    pub bridge_nf_call: Option<bool>,
    pub cgroups: Cgroups,
    pub runs_systemd: bool,
    pub kubelet_unit: Unit,
    /// Files that an earlier join has left, as seen from the machine.
    pub leftovers: Vec<String>,
    /// Files that only a machine with a control plane has.
    pub control_plane: Vec<String>,
    /// Who listens on the kubelet's port, as far as that can be told.
    pub port_holder: Option<String>,
    /// The proxy that programs written in Go would use for the endpoint.
    pub proxy: Option<String>,
    pub runtime: Runtime,
}

/// A file system, in bytes, and in files that it can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The folder by which it was found.
    pub path: String,
    pub size: u64,
    /// For who is not root, as the kubelet counts it.
    pub available: u64,
    /// For root.
    pub free: u64,
    pub files: u64,
    pub files_free: u64,
    /// Images and containers are on it.
    pub has_images: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroups {
    V1,
    /// With the controllers that it has.
    V2(Vec<String>),
    /// Nothing at `/sys/fs/cgroup`.
    None,
}

/// The systemd unit of the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are seen independently of each other")]
pub struct Unit {
    pub exists: bool,
    /// It has kubeadm's drop-in, without which the kubelet never sees a kubeconfig.
    pub has_drop_in: bool,
    pub is_enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Systemd,
    Cgroupfs,
}

#[derive(Debug, Clone)]
pub struct Runtime {
    /// The sockets that are there, or the one that the arguments name.
    pub sockets: Vec<String>,
    /// What came from the one that kubeadm would use.
    pub answer: Option<Result<RuntimeAnswer, String>>,
    /// What containerd's configuration says, if there is one that says it.
    pub configured: Option<Driver>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeAnswer {
    /// `containerd 2.4.2`.
    pub name: String,
    /// None if this runtime is too old to say it.
    pub driver: Option<Driver>,
}

/// What is seen on the way to the API server. What is None was not tried, since something before it failed.
#[derive(Debug, Clone)]
pub struct Way {
    pub addresses: Result<Vec<SocketAddr>, String>,
    pub connected: Option<Result<SocketAddr, Unconnected>>,
    pub exchange: Option<Result<Exchange, Failure>>,
    /// From anybody, until it is verified.
    pub cluster_info: Option<Result<ClusterInfo, String>>,
    /// Asked again, by a connection that a believed CA vouches for: the same came.
    pub verified: Option<Result<(), Failure>>,
    /// The server that cluster-info names, by another connection like that; with the failure of its name or connection.
    pub endpoint: Option<Result<(), Failure>>,
    pub with_token: Option<WithToken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconnected {
    Refused,
    TimedOut,
    /// A router or firewall says that it does not lead there.
    Unreachable,
    Other(String),
}

/// Why a connection came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("no answer within {0} s")]
    TimedOut(u64),
    #[error("its certificate ended before {0}, which it is by this clock")]
    Expired(Timestamp),
    #[error("its certificate begins after {0}, which it is by this clock")]
    NotYetValid(Timestamp),
    #[error("its certificate is not for {0}")]
    OtherName(String),
    #[error("its certificate is signed by another CA")]
    OtherIssuer,
    #[error("its cluster-info is another one than what came before it was known who answers")]
    OtherClusterInfo,
    #[error("it refuses the name {0}")]
    NameRefused(String),
    /// As the gateway refuses (`gateway/src/refusal.rs`).
    #[error(
        "it does not get through to the API server of {0}: none is ready, or the tenant has as many connections as it may"
    )]
    NotThrough(String),
    #[error("{0}")]
    Other(String),
}

/// The first answer, from whoever answers.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub status: u16,
    pub body: Vec<u8>,
    pub clock: Option<Clock>,
    /// The IP packets that come through, if full-size ones do not.
    pub clamped: Option<Clamped>,
    /// PEM, the leaf only.
    pub certificate: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub here: Timestamp,
    pub server: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clamped {
    /// The largest of those that were tried, in bytes.
    pub mtu: u32,
    /// The network device of the way there.
    pub device: Option<String>,
}

/// What the API server says to whoever has the token.
#[derive(Debug, Clone)]
pub struct WithToken {
    pub kubeadm_config: Asked,
    pub kubelet_config: Asked,
    pub node: Asked,
    pub version: Asked,
    /// Whether a certificate signing request may be created.
    pub csr_review: Asked,
}

/// Status and body of an answer.
pub type Asked = Result<(u16, Vec<u8>), Failure>;
