//! Nagaya's managers as they are installed in the sandbox: who leads, its metrics, its restart.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::kubectl::{each, text};
use super::{Failure, Kubectl, Look, Outcome, alone, ensure, stays, wait_until};

/// For [`configure`]: with their usual requests ten tenants do not fit on two processors.
pub const SMALL_REQUESTS: &str = r#"NAGAYA_RESOURCES={
    "etcd": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "2Gi"}},
    "kube-apiserver": {"requests": {"cpu": "20m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
}"#;
/// For [`configure`]: takes [`SMALL_REQUESTS`] back.
pub const OWN_REQUESTS: &str = "NAGAYA_RESOURCES-";
const NAMESPACE: &str = "nagaya-system";
const SELECTOR: &str = "app.kubernetes.io/name=nagaya";
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
/// How long a manager that was just busy may take to be idle.
const SETTLE: Duration = Duration::from_mins(1);
/// No write for so long counts as idle.
const CALM: Duration = Duration::from_secs(5);

/// Fails with what to do if Nagaya is not installed.
///
/// # Errors
/// It is not installed.
pub fn require() -> Outcome {
    let definition = "customresourcedefinition/tenantclusters.nagaya.dev";
    ensure(Kubectl::management().find(&[definition])?.is_some(), || {
        "Nagaya is not installed in the sandbox; `make test` installs it before the ring".to_owned()
    })
}

/// How often the manager has asked the management side's API servers, by side, verb and resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<String, u64>);

impl Requests {
    /// What came after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let more = self.0.iter().map(|(labels, count)| {
            (labels.clone(), count - before.0.get(labels).copied().unwrap_or(0).min(*count))
        });
        Self(more.filter(|(_, count)| *count > 0).collect())
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

/// All requests so far, read once the manager has not written for 5 s.
///
/// # Errors
/// The manager does not answer, or does not calm down within a minute.
pub fn settled_requests() -> Outcome<Requests> {
    await_calm()?;
    Ok(Requests(count_requests(&metrics()?, |_| true)))
}

/// The manager's resident memory, in MiB.
///
/// # Errors
/// The manager does not answer.
pub fn resident_memory_mib() -> Outcome<f64> {
    let text = metrics()?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    let bytes = bytes.and_then(|bytes| bytes.trim().parse::<f64>().ok());
    let bytes = bytes.ok_or_else(|| Failure::new("the manager does not say its memory"))?;
    Ok(bytes / 1024.0 / 1024.0)
}

/// The pod of the manager that leads.
///
/// # Errors
/// None does.
pub fn leader() -> Outcome<String> {
    let lease = Kubectl::management().get(&["lease", "-n", NAMESPACE, "nagaya-leader"])?;
    match text(&lease, "/spec/holderIdentity") {
        "" => Err(Failure::new("no manager leads")),
        leader => Ok(leader.to_owned()),
    }
}

/// Of the one that leads: the other does nothing.
fn metrics() -> Outcome<String> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}:8080/proxy/metrics", leader()?);
    Kubectl::management().run(&["get", "--raw", &path])
}

/// How often the manager has written to the management cluster, by verb and resource. What it writes inside tenants is
/// not among it.
///
/// # Errors
/// The manager does not answer.
pub fn writes() -> Outcome<BTreeMap<String, u64>> {
    Ok(count_writes(&metrics()?))
}

fn count_writes(metrics: &str) -> BTreeMap<String, u64> {
    let is_write =
        |line: &str| WRITES.iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")));
    count_requests(metrics, is_write)
}

fn count_requests(metrics: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let lines = metrics.lines().filter(|line| line.starts_with("nagaya_api_requests_total{"));
    // The Lease is renewed every two seconds, however many tenants there are.
    let lines = lines.filter(|line| !line.contains("resource=\"leases\""));
    let count = |line: &str| {
        let (labels, count) = line.rsplit_once(' ')?;
        Some((labels.to_owned(), count.parse().ok()?))
    };
    lines.filter(|line| wanted(line)).filter_map(count).collect()
}

/// Checks that the manager writes nothing for `time`, once it has calmed down.
///
/// # Errors
/// It writes; the text says what.
pub fn writes_nothing(time: Duration) -> Outcome {
    let last = await_calm()?;
    stays("the manager writes nothing", time, || {
        let now = writes()?;
        ensure(now == last, || format!("it wrote: {}", difference(&last, &now)))
    })
}

/// The writes until it calmed down.
fn await_calm() -> Outcome<BTreeMap<String, u64>> {
    let mut last = writes()?;
    let mut since = std::time::Instant::now();
    wait_until("the manager is idle", SETTLE, || {
        let now = writes()?;
        if now != last {
            since = std::time::Instant::now();
        }
        let seen = difference(&last, &now);
        last = now;
        Ok(Look::done_if(since.elapsed() > CALM, || seen))
    })?;
    Ok(last)
}

fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let more = after.iter().filter_map(|(labels, count)| {
        let more = count.saturating_sub(before.get(labels).copied().unwrap_or(0));
        (more > 0).then(|| format!("{more} × {labels}"))
    });
    more.collect::<Vec<_>>().join(", ")
}

/// Ends the pod of the manager that leads; the other one takes over, and the Deployment makes another. No other
/// test runs from here on.
///
/// # Errors
/// None leads.
pub fn end() -> Outcome {
    alone()?;
    let words = ["delete", "pod", "-n", NAMESPACE, &leader()?, "--grace-period=1"];
    Kubectl::management().run(&words).map(drop)
}

/// Ends the manager that leads, and waits until another one does and both pods are ready.
///
/// # Errors
/// None does.
pub fn restart() -> Outcome {
    let before = leader()?;
    end()?;
    wait_until("another manager leads", Duration::from_mins(1), || {
        let now = leader()?;
        Ok(Look::done_if(now != before, || format!("{now} leads")))
    })?;
    both_ready()
}

/// New pods for all managers: kubelet lets what was killed again and again wait for up to five minutes.
///
/// # Errors
/// They do not get ready.
pub fn renew() -> Outcome {
    let words = ["delete", "pods", "-n", NAMESPACE, "-l", SELECTOR, "--grace-period=1"];
    Kubectl::management().run(&words)?;
    both_ready()
}

/// Changes environment variables (`NAME=VALUE`, or `NAME-` for none) of all managers, and waits until those of before
/// are gone: they would still make control planes.
///
/// # Errors
/// The new ones do not get ready within two minutes.
pub fn configure(changes: &[&str]) -> Outcome {
    let deployment = ["-n", NAMESPACE, "deployment/nagaya"];
    let management = Kubectl::management();
    management.run(&[&["set", "env"], &deployment[..], changes].concat())?;
    let rolled_out = ["rollout", "status", "--timeout=120s", "--request-timeout=0"];
    management.run(&[&rolled_out[..], &deployment].concat()).map(drop)
}

/// Waits until as many managers are ready as there should be.
///
/// # Errors
/// They are not.
pub fn both_ready() -> Outcome {
    wait_until("all managers are ready", Duration::from_mins(1), || {
        let wanted = Kubectl::management().get(&["deployment", "-n", NAMESPACE, "nagaya"])?;
        let wanted = wanted["spec"]["replicas"].as_u64().unwrap_or_default();
        let pods = pods()?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count() as u64;
        let there = ready == wanted && pods.len() as u64 == wanted;
        Ok(Look::done_if(there, || super::project::names(&pods)))
    })
}

/// The managers' pods.
///
/// # Errors
/// The management cluster does not answer.
pub fn pods() -> Outcome<Vec<Value>> {
    Kubectl::management().list(&["pods", "-n", NAMESPACE, "-l", SELECTOR])
}

fn is_ready(pod: &Value) -> bool {
    each(pod, "/status/conditions")
        .any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"
# TYPE nagaya_api_requests counter
nagaya_api_requests_total{side="planes",verb="patch",resource="services"} 4
nagaya_api_requests_total{side="planes",verb="list",resource="services"} 9
nagaya_api_requests_total{side="projects",verb="update",resource="leases"} 99
nagaya_reconcile_errors_total{verb="patch"} 1
"#;

    #[test]
    fn only_writes_are_counted() {
        let counted = count_writes(METRICS);
        let labels = r#"nagaya_api_requests_total{side="planes",verb="patch",resource="services"}"#;
        assert_eq!(counted, BTreeMap::from([(labels.to_owned(), 4)]));
    }

    #[test]
    fn a_difference_says_what_was_written() {
        let after = BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 1)]);
        let before = BTreeMap::from([("a".to_owned(), 3)]);
        assert_eq!(difference(&before, &after), "1 × b");
    }
}
