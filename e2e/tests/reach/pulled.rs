//! One part of the way after the other is pulled. Measured until `kubectl logs` works again, and until the kubelet has renewed its
//! Lease; nothing is evicted meanwhile.

use std::time::{Duration, Instant};

use e2e::install::NAMESPACE;
use e2e::progress::say;
use e2e::ring::kubectl::{each, text};
use e2e::ring::{Kubectl, Look, Machine, Nat, Outcome, Process, Tenant, ensure, wait_until};
use serde_json::Value;

/// Of whoever is told at once that the connection is gone.
const AFTER_A_RESET: Duration = Duration::from_secs(10);
/// Of whoever has to find out.
const AFTER_SILENCE: Duration = Duration::from_mins(1);
/// How often a kubelet renews, unless something is wrong.
const LEASE: Duration = Duration::from_secs(10);

/// The gateway, the server, the agent, and the NAT in both ways.
pub fn one_by_one(tenant: &Tenant<'_>, cluster: &Kubectl, machine: &Machine, nat: &Nat) -> Outcome {
    let site = Site { cluster, machine };
    site.pulled("the gateway", AFTER_A_RESET, || {
        kill(tenant, NAMESPACE, "nagaya-gateway", "/nagaya-gateway")
    })?;
    site.pulled("the server", AFTER_A_RESET, || {
        kill(tenant, &tenant.plane()?, "kube-apiserver", "/proxy-server")
    })?;
    site.pulled("the agent", AFTER_A_RESET, || {
        machine.run(&["pkill", "-KILL", "-x", "proxy-agent"]).map(drop)
    })?;
    site.pulled("the NAT, with a reset", AFTER_A_RESET, || nat.change_with_a_reset(machine))?;
    let silence = || {
        nat.change_silently()?;
        ensure(logs(cluster).is_err(), || "the connection survived the NAT".to_owned())
    };
    site.pulled("the NAT, silently", AFTER_SILENCE, silence)
}

/// Whose label and program it is, on all nodes at once.
fn kill(tenant: &Tenant<'_>, namespace: &str, label: &str, program: &str) -> Outcome {
    let label = format!("app.kubernetes.io/name={label}");
    let pods = tenant.project.management.list(&["pods", "-n", namespace, "-l", &label])?;
    ensure(!pods.is_empty(), || format!("no pod has {label}"))?;
    pods.iter().try_for_each(|pod| Process::of_pod(text(pod, "/metadata/uid"), program)?.kill())
}

/// A call that does not wait for one that will never be answered.
pub fn logs(cluster: &Kubectl) -> Outcome<String> {
    cluster.run(&["logs", "web", "--tail=1", "--request-timeout=2s"])
}

struct Site<'t> {
    cluster: &'t Kubectl,
    machine: &'t Machine,
}

impl Site<'_> {
    fn pulled(&self, what: &str, within: Duration, pull: impl FnOnce() -> Outcome) -> Outcome {
        logs(self.cluster)?;
        let (pods, ready) = (self.pods()?, self.machine.ready_since(self.cluster)?);
        let began = Instant::now();
        pull()?;
        let renewed =
            wait_until("the Lease can be read", within, || self.renewed().map(Look::Done))?;
        wait_until(&format!("logs are there again after {what} was pulled"), within, || {
            logs(self.cluster).map(Look::Done)
        })?;
        let reached = began.elapsed().as_secs_f64();
        let rest = within + LEASE - began.elapsed().min(within);
        wait_until("the kubelet has renewed its Lease", rest, || {
            let now = self.renewed()?;
            Ok(Look::done_if(now != renewed, || now))
        })?;
        let heard = began.elapsed().as_secs_f64();
        let stayed = self.machine.stayed_ready(self.cluster, &ready).is_ok();
        say(&format!(
            "{what}: logs again after {reached:.1} s, the Lease after {heard:.1} s; the node stayed Ready: {stayed}"
        ));
        let now = self.pods()?;
        ensure(now == pods, || format!("pods were {pods:?}, and are {now:?}"))?;
        self.machine.await_ready(self.cluster, LEASE)
    }

    fn renewed(&self) -> Outcome<String> {
        let lease = self.cluster.get(&["lease", "-n", "kube-node-lease", self.machine.name()])?;
        Ok(text(&lease, "/spec/renewTime").to_owned())
    }

    /// Pods that somebody would evict: who they are, that they are not going, and how often they restarted. (An
    /// agent that was killed has.)
    fn pods(&self) -> Outcome<Vec<Value>> {
        let pods = self.cluster.list(&["pods", "-A"])?;
        let mut known: Vec<Value> = pods
            .iter()
            .filter(|pod| text(pod, "/metadata/labels/k8s-app") != "konnectivity-agent")
            .map(|pod| {
                let restarts = each(pod, "/status/containerStatuses")
                    .map(|status| status["restartCount"].clone())
                    .collect();
                let of = &pod["metadata"];
                Value::Array(vec![
                    of["name"].clone(),
                    of["uid"].clone(),
                    of["deletionTimestamp"].clone(),
                    Value::Array(restarts),
                ])
            })
            .collect();
        known.sort_by_key(Value::to_string);
        Ok(known)
    }
}
