//! What is measured, in order: a tenth of the tenants for the manager's memory; then all of them made, left alone, one
//! lost, some changed, the manager started anew, then with other settings, all deleted.

mod edits;
mod following;

use std::time::{Duration, Instant};

use super::api;
use super::audit::{Audit, Request};
use super::cluster::{Cluster, start_manager};
use super::daemon::Daemon;
use super::figures::{Figures, last_to_first_tenth};
use super::tenants::{self, Stub};
use super::wait::{self, pause};
use super::{Extent, Programs};
use crate::figures::float;
use crate::progress::{say, step};
use crate::ring::{Look, Outcome};

/// How much later tenants answer than machines beside each other would.
const LATENCY: Duration = Duration::from_millis(200);
const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/nagaya-system/leases/nagaya-leader";
/// Longer than any pause after which the manager may still write by itself.
const QUIET: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);
const SHORT_PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(5);
const LONG_PATIENCE: Duration = Duration::from_mins(25);
/// A restarted manager has written by then what it wants to write.
const AFTER_RESTART: Duration = Duration::from_secs(20);

/// Measures all.
pub fn measure(
    extent: &Extent,
    programs: &Programs,
    cluster: &Cluster,
    figures: &mut Figures,
) -> Outcome {
    tenants::make_project()?;
    let mut stub = Stub::start(programs, LATENCY)?;
    let (count, tenth) = (extent.tenants, extent.tenants / 10);
    if tenth > 0 {
        step(format!("{tenth} tenants, for the manager's memory"), || {
            few(tenth, programs, figures)
        })?;
    }
    let manager = lead(programs)?;
    step(format!("{count} tenants at once"), || all(count, &manager, &stub, cluster, figures))?;
    step("the manager is left alone", || idle(extent.idle, &manager, figures))?;
    let [lost, others @ ..] = &tenants::answering(count).collect::<Vec<_>>()[..] else {
        return Ok(());
    };
    step("one API server is lost", || {
        stub.end(lost)?;
        figures.set("dead_detected_s", tenants::await_not_ready(lost, PATIENCE)?.as_secs_f64());
        settle()
    })?;
    step("changes", || edits::measure(others, figures))?;
    let manager =
        step("the manager is started anew", || restart(manager, programs, &mut stub, figures))?;
    settle()?;
    manager.stop()?;
    let manager = step("a manager with other settings", || {
        following::measure(programs, others, &mut stub, figures)
    })?;
    let took = step("all are deleted", || tenants::delete_all(LONG_PATIENCE))?;
    figures.set("delete_all_s", took.as_secs_f64());
    manager.stop()
}

fn few(count: usize, programs: &Programs, figures: &mut Figures) -> Outcome {
    let manager = lead(programs)?;
    tenants::create(count)?;
    tenants::await_ready(count, Instant::now(), LONG_PATIENCE)?;
    settle()?;
    figures.memory.insert(count, manager.memory()?);
    tenants::delete_all(LONG_PATIENCE)?;
    manager.stop()
}

/// A manager that works.
fn lead(programs: &Programs) -> Outcome<Daemon> {
    let manager = start_manager(programs, &[])?;
    wait::until("the manager leads", PATIENCE, PAUSE, || {
        // Before the first manager there is no Lease.
        let lease = api::get(LEADER).unwrap_or_default();
        let holder = &lease["spec"]["holderIdentity"];
        let leads = holder.as_str().is_some_and(|holder| !holder.is_empty());
        Ok(Look::done_if(leads, || holder.to_string()))
    })?;
    Ok(manager)
}

fn all(
    count: usize,
    manager: &Daemon,
    stub: &Stub,
    cluster: &Cluster,
    figures: &mut Figures,
) -> Outcome {
    let programs = || cluster.daemons.iter().chain([manager, &stub.daemon]);
    let used = || programs().map(|daemon| Ok((daemon.name(), daemon.processor()?)));
    let before = used().collect::<Outcome<Vec<_>>>()?;
    let (audit, written) = (Audit::begin()?, all_writes()?);
    let started = Instant::now();
    tenants::create(count)?;
    figures.set("create_rate_per_s", float(count) / started.elapsed().as_secs_f64());
    let times = tenants::await_ready(count, started, LONG_PATIENCE)?;
    let after = used().collect::<Outcome<Vec<_>>>()?;
    for ((name, after), (_, before)) in after.into_iter().zip(before) {
        figures.processor.insert(name, after - before);
    }
    figures.set("all_ready_s", times.last().copied().unwrap_or(f64::NAN));
    figures.set("last_hundred_ratio", last_to_first_tenth(&times));
    settle()?;
    figures.set("writes_per_tenant", float(audit.count(Request::is_write)?) / float(count));
    let written = all_writes()? - written;
    figures.set("all_clients_writes_per_tenant", written / float(count));
    figures.memory.insert(count, manager.memory()?);
    figures.objects = tenants::count_objects(&tenants::name(0))?;
    Ok(())
}

fn idle(seconds: u64, manager: &Daemon, figures: &mut Figures) -> Outcome {
    let (audit, used, started) = (Audit::begin()?, manager.processor()?, Instant::now());
    pause(Duration::from_secs(seconds))?;
    let (used, took) = (manager.processor()? - used, started.elapsed().as_secs_f64());
    let per_minute = |count: usize| float(count) / took * 60.0;
    figures.set("idle_millicores", used / took * 1000.0);
    figures.set("idle_writes_per_min", per_minute(audit.count(Request::is_write)?));
    figures.set("idle_lists_per_min", per_minute(audit.count(Request::is_list)?));
    Ok(())
}

/// Until every tenant that lives has been looked at by the new manager.
fn restart(
    manager: Daemon,
    programs: &Programs,
    stub: &mut Stub,
    figures: &mut Figures,
) -> Outcome<Daemon> {
    settle()?;
    manager.stop()?;
    let audit = Audit::begin()?;
    stub.count()?;
    let started = Instant::now();
    let manager = start_manager(programs, &[])?;
    wait::until("every tenant was looked at", PATIENCE, SHORT_PAUSE, || {
        let unseen = stub.unseen()?;
        Ok(Look::done_if(unseen == 0, || format!("{unseen} were not")))
    })?;
    figures.set("restart_verify_s", started.elapsed().as_secs_f64());
    pause(AFTER_RESTART)?;
    let writes = audit.writes()?;
    for write in &writes {
        say(&format!("  written anew: {write}"));
    }
    figures.set("restart_writes", float(writes.len()));
    Ok(manager)
}

/// Waits until the manager has not written for a while.
fn settle() -> Outcome {
    step("the manager has nothing to write", || {
        wait::until("it has nothing to write", LONG_PATIENCE, Duration::ZERO, || {
            let audit = Audit::begin()?;
            pause(QUIET)?;
            let writes = audit.count(Request::is_write)?;
            Ok(Look::done_if(writes == 0, || format!("{writes} writes within {QUIET:?}")))
        })
    })
}

/// The writes of all clients since the API server was started, by its own metric; Events and Leases apart.
fn all_writes() -> Outcome<f64> {
    let metrics = api::text("/metrics")?;
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{"));
    let writes = counts.filter(|line| {
        let is = |key: &str, values: &[&str]| {
            values.iter().any(|value| line.contains(&format!("{key}=\"{value}\"")))
        };
        is("verb", &["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"])
            && !is("resource", &["events", "leases", "tokenreviews", "subjectaccessreviews"])
    });
    Ok(writes.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}
