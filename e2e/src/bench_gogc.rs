//! `make bench-gogc`: what kube-apiserver and etcd cost with one setting of Go's garbage collector (`GOGC`) and another: until
//! they are ready, at rest with fifty kinds, and under a load that is the same for all.
//!
//! Plain processes, of the newest minor, without nodes. The settings take turns, so that a machine that is slow for a
//! while is slow for all. Where they run and how they are asked is `bench_scale`'s. Reading order: [`run`], `load`,
//! `figures` (`target/bench-gogc.json`).

mod figures;
mod load;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use figures::Figures;
use load::Load;

use crate::bench_scale::daemon::{self, Daemon};
use crate::bench_scale::{api, cluster, ground, wait};
use crate::error::IoContext as _;
use crate::progress::{say, step};
use crate::ring::{Look, Outcome, kinds};
use crate::{paths, preflight};

/// In percent: 100 is Go's own.
const SETTINGS: [u32; 4] = [100, 50, 30, 20];
const KINDS: usize = 50;
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// What a kind is like: Nagaya's smaller one.
const LIKE: &str = "jointokens.nagaya.dev";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How many times each setting is measured.
    pub rounds: usize,
    /// How long at rest before memory is read, as long again for the processor, and as long under load.
    pub phase: Duration,
}

/// Measures in namespaces of its own: whatever ends this process ends all of it.
///
/// # Errors
/// Something cannot be measured.
pub fn run(extent: Extent) -> Outcome {
    preflight::check()?;
    step("components of the management API", cluster::ensure_management_api)?;
    let seconds = extent.phase.as_secs();
    let words = [format!("--rounds={}", extent.rounds), format!("--seconds={seconds}")];
    ground::enter(&words.map(OsString::from))
}

/// [`run`], from inside those namespaces.
///
/// # Errors
/// As [`run`].
pub fn run_inside(extent: Extent) -> Outcome {
    ground::prepare()?;
    let mut figures = Figures::new(&SETTINGS);
    step("certificates, and programs in the page cache", || stop(cluster::management_api(&[])?))?;
    for round in 1..=extent.rounds {
        for gogc in SETTINGS {
            let what = format!("round {round} of {}: GOGC={gogc}", extent.rounds);
            let measured = step(what, || measure(gogc, extent.phase));
            figures.add(gogc, measured.inspect_err(|_| keep_logs())?);
        }
    }
    println!("{}", figures.told());
    println!("Written to {}", figures.write()?.display());
    Ok(())
}

fn keep_logs() {
    match daemon::keep_logs("bench-gogc-logs") {
        Ok(kept) => say(&format!("What the programs said is in {}", kept.display())),
        Err(failure) => say(&format!("What the programs said is lost: {failure}")),
    }
}

/// What one start with one setting took.
pub struct Measured {
    /// Seconds until ready.
    pub ready: f64,
    /// Seconds of processor time until then.
    pub ready_processor: f64,
    /// MiB of anonymous memory, with all kinds and after the OpenAPI document was read.
    pub anonymous: f64,
    /// Thousandths of a processor at rest.
    pub idle_millicores: f64,
    /// What the load met.
    pub load: Load,
    /// Milliseconds of processor time for each request of the load.
    pub processor_per_request: f64,
}

fn measure(gogc: u32, phase: Duration) -> Outcome<Measured> {
    let started = Instant::now();
    let daemons = cluster::management_api(&[("GOGC", gogc.to_string())])?;
    let ready = started.elapsed().as_secs_f64();
    let measured: Vec<&Daemon> =
        daemons.iter().filter(|one| one.name() != cluster::PROXY).collect();
    let sum =
        |of: fn(&Daemon) -> Outcome<f64>| measured.iter().map(|one| of(one)).sum::<Outcome<f64>>();
    let ready_processor = sum(Daemon::processor)?;
    make_kinds()?;
    api::text("/openapi/v2")?;
    load::prepare()?;
    wait::pause(phase)?;
    let anonymous = sum(Daemon::anonymous)?;
    let before = sum(Daemon::processor)?;
    wait::pause(phase)?;
    let rested = sum(Daemon::processor)?;
    let load = load::put(phase)?;
    let worked = sum(Daemon::processor)? - rested;
    let figures = Measured {
        ready,
        ready_processor,
        anonymous,
        idle_millicores: (rested - before) / phase.as_secs_f64() * 1000.0,
        processor_per_request: worked * 1000.0 / load.requests,
        load,
    };
    stop(daemons)?;
    Ok(figures)
}

fn stop(daemons: Vec<Daemon>) -> Outcome {
    daemons.into_iter().rev().try_for_each(Daemon::stop)?;
    let data = Path::new(ground::FOLDER).join("etcd");
    Ok(fs::remove_dir_all(&data).on("remove", &data)?)
}

fn make_kinds() -> Outcome {
    cluster::apply(&paths::checkout().join("crds/jointokens.yaml"))?;
    let like = api::get(&format!("{DEFINITIONS}/{LIKE}"))?;
    (0..KINDS).try_for_each(|number| api::create(DEFINITIONS, &kinds::kind(&like, number)))?;
    wait::until("all kinds are served", Duration::from_mins(1), Duration::from_millis(500), || {
        let groups = api::get("/apis")?;
        let served = groups["groups"].as_array().map(Vec::len).unwrap_or_default();
        Ok(Look::done_if(served > KINDS, || format!("{served} groups")))
    })
}
