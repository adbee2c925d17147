//! What people do to `TenantCluster`s, and what they see of them; and the orders for what answers in their place.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::{self, Table};
use super::cluster::{kubeconfig, stub_tenants};
use super::daemon::{self, Daemon};
use super::{Programs, figures, wait};
use crate::ring::{Failure, Look, Outcome, ensure};

/// The project namespace.
pub const PROJECT: &str = "scale";
/// What names of tenants begin with whose API server says nothing.
pub const SILENT: &str = "silent";
/// Of ten tenants so many are silent.
const SILENT_OF_TEN: usize = 2;
/// Who asks at the same time.
pub const THREADS: usize = 8;
/// Between two looks at all.
const PAUSE: Duration = Duration::from_millis(500);
const SHORT_PAUSE: Duration = Duration::from_millis(50);
const TENANTS: &str = "/apis/nagaya.dev/v1alpha1/namespaces/scale/tenantclusters";
/// Of `kubectl get tnc`.
const COLUMNS: [&str; 3] = ["Name", "Ready", "Status"];
const PLANES: &str = "/api/v1/namespaces?labelSelector=nagaya.dev%2Fcontrol-plane%3Dtrue";

/// Does `work` for the numbers below `count`, several at the same time; the first failure ends it.
pub fn in_parallel(count: usize, work: impl Fn(usize) -> Outcome + Sync) -> Outcome {
    let next = AtomicUsize::new(0);
    let worker = || -> Outcome {
        loop {
            daemon::all_run()?;
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            work(number)?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended.into_iter().try_for_each(|end| {
            end.unwrap_or_else(|_| Err(Failure::new("a thread of the benchmark panicked")))
        })
    })
}

/// The name of a tenant: of every ten, some are silent.
pub fn name(number: usize) -> String {
    let kind = if number % 10 >= 10 - SILENT_OF_TEN { SILENT } else { "tenant" };
    format!("{kind}-{number:04}")
}

/// The names below `count` of those that answer.
pub fn answering(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(name).filter(|name| !name.starts_with(SILENT))
}

/// Where its control plane is.
pub fn plane_prefix(name: &str) -> String {
    format!("nagaya-{PROJECT}-{name}-")
}

/// The namespace that all of them are in.
pub fn make_project() -> Outcome {
    let labels = json!({"nagaya.dev/project": "enabled"});
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROJECT, "labels": labels},
    });
    api::create("/api/v1/namespaces", &namespace)
}

/// Creates those below `count`, as fast as the API server takes them.
pub fn create(count: usize) -> Outcome {
    in_parallel(count, |number| {
        let tenant = json!({
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
            "metadata": {"name": name(number), "namespace": PROJECT},
            "spec": {"version": "v1.37.1"},
        });
        api::create(TENANTS, &tenant)
    })
}

/// Waits until all of the `count` that answer are Ready. When each was, in seconds since `started`.
pub fn await_ready(count: usize, started: Instant, within: Duration) -> Outcome<Vec<f64>> {
    let wanted = answering(count).count();
    let mut since: BTreeMap<String, f64> = BTreeMap::new();
    wait::until("all that answer are Ready", within, PAUSE, || {
        // A list of all tenants is work for the API server that is waited for: a time is true to a fiftieth.
        wait::pause(started.elapsed() / 50)?;
        let table = Table::get(TENANTS)?;
        let now = started.elapsed().as_secs_f64();
        for [name, ..] in table.columns(COLUMNS).filter(|[_, ready, _]| *ready == "True") {
            since.entry(name.to_owned()).or_insert(now);
        }
        Ok(Look::done_if(since.len() >= wanted, || {
            let others = table.columns(COLUMNS).filter(|[_, ready, _]| *ready != "True");
            let said: Vec<String> =
                others.take(5).map(|[name, _, why]| format!("{name} {why}")).collect();
            format!("{} of {wanted}; {}", since.len(), said.join(", "))
        }))
    })?;
    let mut times: Vec<f64> = since.into_values().collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Waits until one is not Ready, and how long that took.
pub fn await_not_ready(name: &str, within: Duration) -> Outcome<Duration> {
    let started = Instant::now();
    wait::until("it is not Ready", within, SHORT_PAUSE, || {
        let ready = ready(&api::get(&format!("{TENANTS}/{name}"))?);
        Ok(Look::done_if(ready["status"] != "True", || ready.to_string()))
    })?;
    Ok(started.elapsed())
}

/// Changes a field that the manager writes on, on the management side and into the tenant.
pub fn edit(name: &str, value: usize) -> Outcome {
    let spec = json!({"kubelet": {"maxPods": value}});
    api::merge(&format!("{TENANTS}/{name}"), &json!({"spec": spec}))
}

/// Deletes all and waits until nothing of any is left, and how long that took.
pub fn delete_all(within: Duration) -> Outcome<Duration> {
    let started = Instant::now();
    // The API server is not always through with all of them when the time of one request is over: it says so, or cuts it off.
    let is_cut = |words: &str| words.contains(": 504 ") || words.contains(": 500 stream error");
    wait::until("all are told to go", within, PAUSE, || match api::delete(TENANTS) {
        Err(failure) if is_cut(&failure.to_string()) => Ok(Look::NotYet(failure.to_string())),
        done => done.map(Look::Done),
    })?;
    wait::until("nothing of any tenant is left", within, PAUSE, || {
        let (objects, planes) = (Table::get(TENANTS)?.len(), Table::get(PLANES)?.len());
        let left = || format!("{objects} TenantClusters and {planes} control planes");
        Ok(Look::done_if(objects + planes == 0, left))
    })?;
    Ok(started.elapsed())
}

/// What one control plane is made of.
pub fn count_objects(name: &str) -> Outcome<figures::Objects> {
    let status = &api::get(&format!("{TENANTS}/{name}"))?["status"];
    let plane = status["controlPlaneNamespace"].as_str().unwrap_or_default().to_owned();
    let count = |kind: &str| -> Outcome<usize> {
        Ok(Table::get(&format!("/api/v1/namespaces/{plane}/{kind}"))?.len())
    };
    Ok(figures::Objects {
        pods: count("pods")?,
        services: count("services")?,
        secrets: count("secrets")?,
        volumes: count("persistentvolumeclaims")?,
    })
}

fn ready(tenant: &Value) -> Value {
    let mut conditions = tenant["status"]["conditions"].as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == "Ready").cloned().unwrap_or_default()
}

/// What answers for all tenants.
pub struct Stub {
    /// The process.
    pub daemon: Daemon,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Stub {
    /// Starts it.
    pub fn start(programs: &Programs, latency: Duration) -> Outcome<Self> {
        let words = stub_tenants(programs, latency, SILENT);
        let variables = [("KUBECONFIG", kubeconfig("tenants").display().to_string())];
        let (daemon, orders, answers) =
            Daemon::start_with_pipes("stub_tenants", &words, &variables)?;
        let mut stub = Self { daemon, orders, answers: BufReader::new(answers) };
        // Answered only if it could listen everywhere.
        stub.count().map(|()| stub)
    }

    /// That tenant's API server is dead from now on.
    pub fn end(&mut self, tenant: &str) -> Outcome {
        let said = self.order(&format!("end {tenant}"))?;
        ensure(said == "ended 1", || format!("to end {tenant}: {said}"))
    }

    /// From now on it counts who is looked at.
    pub fn count(&mut self) -> Outcome {
        self.order("count").map(drop)
    }

    /// How many of those that live nobody has looked at since.
    pub fn unseen(&mut self) -> Outcome<usize> {
        let said = self.order("counted")?;
        let number = said.strip_prefix("missing ").and_then(|number| number.parse().ok());
        number.ok_or_else(|| Failure::new(format!("what answers for the tenants says {said:?}")))
    }

    fn order(&mut self, order: &str) -> Outcome<String> {
        writeln!(self.orders, "{order}")?;
        let mut said = String::new();
        self.answers.read_line(&mut said)?;
        daemon::all_run()?;
        Ok(said.trim_end().to_owned())
    }
}
