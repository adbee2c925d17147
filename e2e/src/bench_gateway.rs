//! `make bench-gateway`: the gateway beside HAProxy and nginx in the same role, and beside no proxy at all.
//!
//! All three route the same names to the same addresses by the server name of a `ClientHello`; the gateway has its routes
//! from a real kube-apiserver, the others from a file. All run at the same time, and take turns at being measured: a
//! machine that is slow for a while is slow for all.
//!
//! Reading order: [`run`], `rivals` (who is measured), `services` (the routes), `load` (what comes to them), `rounds`
//! (what is measured), `figures` (`target/bench-gateway.json`). Where it runs and the API server are `bench_scale`'s.

mod figures;
mod load;
mod rivals;
mod rounds;
mod services;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figures::Figures;
use rivals::Rivals;

use crate::bench_scale::{cluster, daemon, ground};
use crate::cargo::{self, cargo};
use crate::error::IoContext as _;
use crate::progress::{say, step};
use crate::ring::Outcome;
use crate::{paths, preflight, prerequisites};

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Routes at the same time.
    pub routes: usize,
    /// Connections at the same time, where there are most of them.
    pub connections: usize,
    /// How many times each is measured.
    pub rounds: usize,
    /// Seconds for each measurement of throughput.
    pub seconds: f64,
    /// A folder with ready `nagaya-gateway` and `gateway_load`, instead of building them.
    pub programs: Option<PathBuf>,
}

/// Where the programs are that this is about.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The gateway.
    pub gateway: PathBuf,
    /// Both other ends.
    pub load: PathBuf,
}

/// Builds what is missing, and measures in namespaces of its own: whatever ends this process ends all of it.
///
/// # Errors
/// Something cannot be measured. A target that is missed is no error: the table says so.
pub fn run(extent: &Extent) -> Outcome {
    preflight::check()?;
    prerequisites::install_rivals()?;
    let Programs { gateway, load } = match &extent.programs {
        Some(folder) => of(folder),
        None => build()?,
    };
    step("components of the management API", cluster::ensure_management_api)?;
    let Extent { routes, connections, rounds, seconds, programs: _ } = extent;
    let words = [
        gateway.into_os_string(),
        load.into_os_string(),
        format!("--routes={routes}").into(),
        format!("--connections={connections}").into(),
        format!("--rounds={rounds}").into(),
        format!("--seconds={seconds}").into(),
    ];
    ground::enter(&words)
}

/// [`run`], from inside those namespaces.
///
/// # Errors
/// As [`run`].
pub fn run_inside(extent: &Extent, programs: &Programs) -> Outcome {
    ground::prepare()?;
    let ports = Path::new("/proc/sys/net/ipv4/ip_local_port_range");
    std::fs::write(ports, "10000 65000").on("write", ports)?;
    let mut figures = Figures::default();
    let measured = measure(extent, programs, &mut figures);
    if let Err(failure) = measured {
        let kept = daemon::keep_logs("bench-gateway-logs")?;
        say(&format!("Until then:\n{}", figures.told()));
        say(&format!("What the programs said is in {}", kept.display()));
        return Err(failure);
    }
    println!("{}", figures.told());
    println!("Written to {}", figures.write()?.display());
    Ok(())
}

fn measure(extent: &Extent, programs: &Programs, figures: &mut Figures) -> Outcome {
    let _api = step("management API", || cluster::management_api(&[]))?;
    step("a Service for each route", || services::make(extent.routes))?;
    let rivals = step("the gateway and its rivals", || Rivals::start(extent.routes, programs))?;
    rounds::measure(extent, &rivals, figures)
}

fn of(folder: &Path) -> Programs {
    Programs { gateway: folder.join("nagaya-gateway"), load: folder.join("gateway_load") }
}

fn build() -> Outcome<Programs> {
    let target = paths::cache().join("target-gateway");
    let words = ["build", "--locked", "--profile", "gateway", "--package", "nagaya-gateway"];
    let mut build = cargo(&words);
    build.args(["--bin", "nagaya-gateway", "--example", "gateway_load"]);
    build.env("CARGO_TARGET_DIR", OsString::from(&target));
    cargo::run("build the gateway, and what comes to it", build)?;
    let folder = target.join("gateway");
    Ok(Programs {
        gateway: folder.join("nagaya-gateway"),
        load: folder.join("examples/gateway_load"),
    })
}
