//! The client that counts what a tenant's API server refuses (`load/`), running while a test does something.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};

use serde::Deserialize;

use super::kubectl::each;
use super::wait::patience;
use super::{Failure, Kubectl, Outcome, Tenant, ensure, is_long};
use crate::cargo::built;
use crate::command::command;
use crate::network;
use crate::progress::say;

/// Requests a second. Two cores that also start API servers and run other tests answer no more in time.
const RATE: u32 = 100;
/// In the long form, which has the machine to itself.
const LONG_RATE: u32 = 200;
/// Longer than that without an answer is an interruption, in seconds.
const GAP: f64 = 3.0;
/// Of a hundred requests: more than that may not be put off. An API server that ends says so for its last seconds to
/// what comes over connections that it had.
const PUT_OFF: u64 = 3;
/// How kube-apiserver tells of a write that etcd dropped: one that reached the member that led while leadership went
/// over (`leadTransferee` in raft's `stepLeader`). Who forwarded it waits for 7 s. Nothing that one can set in etcd or
/// kube-apiserver has it asked again. A lost quorum has the same words, but not for a few requests alone.
const DROPPED: [&str; 2] = ["etcdserver: request timed out", "raft proposal dropped"];
/// Of these, at most so many: leadership goes over within 2 ms on a quiet machine, and 50 where pods start.
const DROPPED_AT_MOST: u64 = 10;
/// It ends by itself after so many seconds, whatever becomes of the test.
const AT_MOST: &str = "2400";

/// The client, counting.
pub struct Counter {
    child: Child,
    words: JoinHandle<String>,
    plane: String,
}

/// What came of it; the fields are those of `load/src/report.rs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Counted {
    /// Requests.
    pub sent: u64,
    /// Of them refused, reset or not answered in time.
    pub failed: u64,
    /// Of them put off by the server before it began, and asked once more.
    pub deferred: u64,
    /// How long was asked, in seconds.
    pub seconds: f64,
    /// Slowest answer, in seconds.
    pub slowest_s: f64,
    /// Longest time without a successful answer, in seconds.
    pub longest_gap_s: f64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Objects that are older than an acknowledged write.
    pub lost: u64,
    /// Of the containers of the control plane's pods that are there at the end.
    #[serde(skip)]
    pub restarts: u64,
    /// Acknowledged writes that the watch did not show.
    pub unseen: u64,
    /// Events out of order, and versions that a watch could not go on from.
    pub watch_gaps: u64,
    /// How often the watch's stream ended.
    pub watch_restarts: u64,
    /// Failures by connection and cause.
    pub causes: BTreeMap<String, u64>,
}

impl Counter {
    /// Starts to count, on the network of the host `from`.
    ///
    /// # Errors
    /// It does not compile, or the cluster cannot be reached.
    pub fn start(tenant: &Tenant, from: &str) -> Outcome<Self> {
        let (cluster, plane) = (tenant.admin()?, tenant.plane()?);
        let kubeconfig = cluster.kubeconfig().ok_or_else(|| Failure::new("no tenant's cluster"))?;
        Self::start_on(kubeconfig, plane, from, Self::rate())
    }

    /// [`Self::start`] for whatever cluster a kubeconfig is for, so many requests a second; its control plane's pods are
    /// in the namespace `plane`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(kubeconfig: &Path, plane: String, from: &str, rate: u32) -> Outcome<Self> {
        // Unoptimised it would take the processors away from what it asks.
        let program = built(&["--release", "--package", "nagaya-load"], "release/counter")?;
        let mut counter = command(&network::enter(&network::namespace(from)));
        counter.arg(program).arg("--kubeconfig").arg(kubeconfig);
        counter.args(["--rate", &rate.to_string(), "--seconds", AT_MOST]);
        // It ends when its input is closed, also when this test panics.
        counter.stdin(Stdio::piped());
        let mut child = counter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| Failure::new("no stderr"))?;
        let mut words = BufReader::new(stderr);
        let mut first = String::new();
        words.read_line(&mut first)?;
        ensure(first.trim() == "counting", || format!("the counter says: {first}"))?;
        // While nobody answers it says so ten times a second, and would stand still once nobody hears it.
        let words = thread::spawn(move || {
            let mut heard = String::new();
            words.read_to_string(&mut heard).map_or_else(|error| error.to_string(), |_| heard)
        });
        Ok(Self { child, words, plane })
    }

    /// Requests a second.
    #[must_use]
    pub fn rate() -> u32 {
        if is_long() { LONG_RATE } else { RATE }
    }

    /// Has it ask no more, before something after which a write would hide that one before it is lost.
    ///
    /// # Errors
    /// It has ended.
    pub fn hold(&mut self) -> Outcome {
        let input = self.child.stdin.as_mut().ok_or_else(|| Failure::new("no stdin"))?;
        Ok(input.write_all(b"\n")?)
    }

    /// Ends the client, prints a line `NAME sent=… failed=…` and returns what it counted.
    ///
    /// # Errors
    /// The cluster cannot be read any more.
    pub fn end(self, name: &str) -> Outcome<Counted> {
        // Closes its input.
        let output = self.child.wait_with_output()?;
        let words = self.words.join().unwrap_or_default();
        ensure(output.status.success(), || format!("the counter failed: {words}"))?;
        let mut counted: Counted = serde_json::from_slice(&output.stdout)?;
        counted.restarts = restarts(&self.plane)?;
        say(&format!("{name} {}", counted.line()));
        if counted.lost_anything() {
            say(words.trim());
        }
        Ok(counted)
    }
}

/// How often containers of the pods that are now in this control-plane namespace have restarted.
///
/// # Errors
/// The management cluster cannot be asked.
pub fn restarts(plane: &str) -> Outcome<u64> {
    let pods = Kubectl::management().list(&["pods", "-n", plane])?;
    let containers = pods.iter().flat_map(|pod| each(pod, "/status/containerStatuses"));
    Ok(containers.filter_map(|one| one["restartCount"].as_u64()).sum())
}

impl Counted {
    fn line(&self) -> String {
        format!(
            "sent={} failed={} dropped={} deferred={} slowest_s={:.1} longest_gap_s={:.2} lost={} restarts={} unseen={} watch_gaps={} watch_restarts={} {:?}",
            self.sent,
            self.failed,
            self.dropped(),
            self.deferred,
            self.slowest_s,
            self.longest_gap_s,
            self.lost,
            self.restarts,
            self.unseen,
            self.watch_gaps,
            self.watch_restarts,
            self.causes,
        )
    }

    /// Nothing was refused, answers went on, nothing is lost, and the watch showed everything.
    ///
    /// # Errors
    /// It is not so.
    pub fn ensure_flawless(&self) -> Outcome {
        self.ensure_flawless_but_for(0)
    }

    /// [`Counted::ensure_flawless`], but for the few writes that etcd drops when another member comes to lead.
    ///
    /// # Errors
    /// It is not so.
    pub fn ensure_flawless_but_for_leadership(&self) -> Outcome {
        self.ensure_flawless_but_for(self.dropped().min(DROPPED_AT_MOST))
    }

    fn ensure_flawless_but_for(&self, failed: u64) -> Outcome {
        let is_rare = self.deferred * 100 <= self.sent * PUT_OFF;
        let is_short = self.longest_gap_s < GAP * f64::from(patience());
        let flawless = self.failed <= failed && is_short && is_rare;
        ensure(flawless, || format!("requests failed: {}", self.line()))?;
        self.ensure_nothing_lost()
    }

    /// What was acknowledged is there, and the watch showed it.
    ///
    /// # Errors
    /// It is not so.
    pub fn ensure_nothing_lost(&self) -> Outcome {
        let asked = f64::from(Counter::rate()) * self.seconds * 0.9;
        // A count, far from where a float gets inexact.
        #[allow(clippy::cast_precision_loss)]
        let steadily = self.sent > 0 && self.sent as f64 >= asked;
        ensure(steadily, || format!("the counter did not keep its pace: {}", self.line()))?;
        ensure(!self.lost_anything(), || format!("something is lost: {}", self.line()))
    }

    /// Of the failures, writes that etcd dropped.
    fn dropped(&self) -> u64 {
        let is_dropped =
            |(cause, _): &(&String, &u64)| DROPPED.iter().any(|words| cause.contains(words));
        self.causes.iter().filter(is_dropped).map(|(_, count)| count).sum()
    }

    fn lost_anything(&self) -> bool {
        self.lost + self.unseen + self.watch_gaps > 0
    }
}
