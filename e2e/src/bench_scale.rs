//! `make bench-scale`: what the manager costs with very many tenants, on a real management API.
//!
//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler are real and run as plain processes; kubelets are
//! played by kwok, and the tenants' own API servers and etcds by `examples/stub_tenants`. The manager is the program
//! that users run. What is counted is the API server's word (its audit log), what is used the kernel's.
//!
//! Reading order: [`run`], `ground` (where it all runs), `cluster`, `daemon` (a process), `tenants` and `api` (what is
//! done), `audit` (what was asked for), `rounds` (what is measured), `figures` (`target/bench-scale.json`).

pub(crate) mod api;
mod audit;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod figures;
pub(crate) mod ground;
mod rounds;
pub(crate) mod tenants;
pub(crate) mod wait;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cluster::Cluster;
use figures::Figures;

use crate::cargo::{self, cargo};
use crate::components::{self, Component, NEWEST_MINOR};
use crate::progress::{say, step};
use crate::ring::Outcome;
use crate::{install, paths, preflight};

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Tenants at the same time.
    pub tenants: usize,
    /// Seconds that the manager is left alone for what it takes then.
    pub idle: u64,
    /// A folder with ready `nagaya` and `stub_tenants`, instead of building them.
    pub programs: Option<PathBuf>,
}

/// Where the programs are that this is about.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The manager.
    pub nagaya: PathBuf,
    /// What answers for the tenants.
    pub stub_tenants: PathBuf,
}

/// Builds what is missing, and measures in namespaces of its own: whatever ends this process ends all of it.
///
/// # Errors
/// Something cannot be measured. A target that is missed is no error: the table says so.
pub fn run(extent: &Extent) -> Outcome {
    preflight::check()?;
    let programs = match &extent.programs {
        Some(folder) => of(folder),
        None => build()?,
    };
    let needs = components::for_control_plane(NEWEST_MINOR)?;
    let more = [
        (Component::kubernetes(NEWEST_MINOR)?, "kubeadm"),
        kubectl()?,
        (Component::kwok(), "kwok"),
    ];
    step("components of the management cluster", || {
        components::ensure_all(&[needs, more.to_vec()].concat()).map(drop)
    })?;
    let own = [programs.nagaya, programs.stub_tenants].map(PathBuf::into_os_string);
    let extent = [extent.tenants.to_string(), extent.idle.to_string()];
    let [tenants, idle] = extent.map(OsString::from);
    ground::enter(&[&own[..], &["--tenants".into(), tenants, "--idle".into(), idle]].concat())
}

/// [`run`], from inside those namespaces.
///
/// # Errors
/// As [`run`].
pub fn run_inside(extent: &Extent, programs: &Programs) -> Outcome {
    ground::prepare()?;
    let cluster = Cluster::start(extent.tenants, programs)?;
    let mut figures = Figures::new(extent.tenants);
    let measured = rounds::measure(extent, programs, &cluster, &mut figures);
    if let Err(failure) = measured {
        let kept = daemon::keep_logs("bench-scale-logs")?;
        say(&format!("Until then:\n{}", figures.told()));
        say(&format!("What the programs said is in {}", kept.display()));
        return Err(failure);
    }
    println!("{}", figures.told());
    println!("Written to {}", figures.write()?.display());
    Ok(())
}

fn kubectl() -> Outcome<components::Need> {
    Ok((Component::kubernetes(NEWEST_MINOR)?, "kubectl"))
}

fn of(folder: &Path) -> Programs {
    Programs { nagaya: folder.join("nagaya"), stub_tenants: folder.join("stub_tenants") }
}

fn build() -> Outcome<Programs> {
    let nagaya = install::build_manager()?;
    let target = paths::cache().join("target-scale");
    let words =
        ["build", "--locked", "--release", "--package", "nagaya", "--example", "stub_tenants"];
    let mut stub = cargo(&words);
    stub.env("CARGO_TARGET_DIR", &target);
    cargo::run("build what answers for the tenants", stub)?;
    Ok(Programs { nagaya, stub_tenants: target.join("release/examples/stub_tenants") })
}
