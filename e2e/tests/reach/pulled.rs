//! One part of the way after the other is pulled. Measured until `kubectl logs` works again, and until the kubelet has renewed its
//! Lease; nothing is evicted meanwhile.

use std::time::{Duration, Instant};

use e2e::install::NAMESPACE;
use e2e::progress::say;
use e2e::ring::kubectl::{each, text};
use e2e::ring::{
    Kubectl, Look, Machine, Nat, Outcome, Process, Tenant, ensure, tenant_webhook, wait_until,
};
use serde_json::Value;

/// Of whoever is told at once that the connection is gone.
const AFTER_A_RESET: Duration = Duration::from_secs(10);
/// Of whoever has to find out.
const AFTER_SILENCE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(30);
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
        // A kubelet makes it some time after its node is Ready.
        let before =
            wait_until("the kubelet has a Lease", SOON, || Ok(Look::Done(self.renewed()?)))?;
        let began = Instant::now();
        let since = || Some(began.elapsed());
        pull()?;
        let (mut reached, mut heard) = (None, None);
        wait_until(&format!("{what} was pulled, and all is back"), within + LEASE, || {
            reached = reached.or_else(|| logs(self.cluster).ok().and_then(|_| since()));
            heard = heard
                .or_else(|| self.renewed().ok().filter(|now| *now != before).and_then(|_| since()));
            Ok(Look::some(reached.zip(heard), || format!("logs: {reached:?}, Lease: {heard:?}")))
        })?;
        let stayed = self.machine.stayed_ready(self.cluster, &ready).is_ok();
        let (reached, heard) = (reached.unwrap_or_default(), heard.unwrap_or_default());
        say(&format!(
            "{what} pulled: logs after {:.1} s, the Lease renewed after {:.1} s; the node stayed Ready: {stayed}",
            reached.as_secs_f64(),
            heard.as_secs_f64(),
        ));
        ensure(reached <= within, || format!("{what}: logs only after {reached:?}"))?;
        wait_until("the webhook is reached, too", SOON, || {
            tenant_webhook::judges(self.cluster).map(Look::Done)
        })?;
        let now = self.pods()?;
        ensure(now == pods, || format!("pods were {pods:?}, and are {now:?}"))?;
        self.machine.await_ready(self.cluster, LEASE)
    }

    fn renewed(&self) -> Outcome<String> {
        let lease = self.cluster.get(&["lease", "-n", "kube-node-lease", self.machine.name()])?;
        Ok(text(&lease, "/spec/renewTime").to_owned())
    }

    /// Pods that somebody would evict: who they are, whether they are going, and how often they restarted. (An
    /// agent that was killed has.)
    fn pods(&self) -> Outcome<Vec<String>> {
        let pods = self.cluster.list(&["pods", "-A"])?;
        let is_agent = |pod: &Value| text(pod, "/metadata/labels/k8s-app") == "konnectivity-agent";
        let others = pods.iter().filter(|pod| !is_agent(pod));
        let mut known: Vec<String> = others
            .map(|pod| {
                let of = &pod["metadata"];
                let restarts: Vec<_> = each(pod, "/status/containerStatuses")
                    .map(|status| status["restartCount"].to_string())
                    .collect();
                let going = &of["deletionTimestamp"];
                format!("{} {} going: {going} restarts: {restarts:?}", of["name"], of["uid"])
            })
            .collect();
        known.sort();
        Ok(known)
    }
}
