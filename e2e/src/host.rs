//! A host: a machine with a network, containerd and a kubelet that is kept running; two kinds, one
//! interface.

pub mod namespaces;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::state::{self, HostKind, HostRecord};
use crate::vm;

/// The services of a host whose logs one can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Service {
    /// The container runtime.
    Containerd,
    /// The node agent.
    Kubelet,
}

impl Service {
    /// The name of the process, the log and the systemd unit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
        }
    }
}

/// What one can do with a machine, whichever kind it is.
pub trait Host {
    /// What is written down about it: name, kind, address, Kubernetes minor.
    fn record(&self) -> &HostRecord;

    /// A command that runs `words` inside the host as root; standard streams and exit code pass
    /// through.
    ///
    /// # Errors
    /// The host does not run.
    fn exec(&self, words: &[String]) -> Result<Command>;

    /// Puts an image (a docker-archive on this machine) into the host's containerd.
    ///
    /// # Errors
    /// containerd refuses it or the host does not run.
    fn load_image(&self, archive: &Path) -> Result<()>;

    /// A command that prints a service's log.
    fn log(&self, service: Service) -> Command;

    /// Whether the machine is on.
    fn is_running(&self) -> bool;

    /// Switches the machine on again after it went off; its files are as they were.
    ///
    /// # Errors
    /// It does not start.
    fn boot(&self) -> Result<()>;

    /// Switches the machine off and removes all of it: processes, mounts, network, cgroups, files.
    /// Works on a half-made or crashed one too.
    ///
    /// # Errors
    /// Something of it cannot be removed.
    fn remove(&self) -> Result<()>;

    /// Its name.
    fn name(&self) -> &str {
        &self.record().name
    }

    /// Its address on the sandbox's bridge.
    fn address(&self) -> Ipv4Addr {
        self.record().address
    }

    /// Namespaces or virtual machine.
    fn kind(&self) -> HostKind {
        self.record().kind
    }
}

/// The host of a name.
///
/// # Errors
/// There is none; the text lists those there are.
pub fn open(name: &str) -> Result<Box<dyn Host>> {
    Ok(of(state::host(name)?))
}

/// The host that a record describes.
#[must_use]
pub fn of(record: HostRecord) -> Box<dyn Host> {
    match record.kind {
        HostKind::Namespaces => Box::new(namespaces::NamespacesHost::new(record)),
        HostKind::Vm => vm::open(record),
    }
}
