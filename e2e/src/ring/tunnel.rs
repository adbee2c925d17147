//! A tenant behind the gateway, and what is asked of its nodes through the tunnel.

use std::time::Duration;

use serde_json::{Value, json};

use super::tenant::spec_for_namespaces;
use super::{Forward, Kubectl, Look, Machine, Outcome, ensure_says, wait_until, workload};

const ROLLOUT: Duration = Duration::from_mins(2);

/// The spec of a tenant behind the gateway, for nodes of the kind `namespaces`.
#[must_use]
pub fn spec_behind_the_gateway(version: &str) -> Value {
    let mut spec = spec_for_namespaces(version);
    spec["expose"]["type"] = json!("Gateway");
    spec
}

/// Waits until so many agents have met the servers.
///
/// # Errors
/// They do not within 2 minutes.
pub fn await_agents(cluster: &Kubectl, count: u64) -> Outcome {
    wait_until(&format!("{count} agents have met the server"), ROLLOUT, || {
        let set = cluster.get(&["daemonset", "-n", "kube-system", "konnectivity-agent"])?;
        let status = &set["status"];
        let ready = status["numberReady"] == count && status["updatedNumberScheduled"] == count;
        Ok(Look::done_if(ready, || status.to_string()))
    })
}

/// A web server on a machine's node, with a Service of the same name.
///
/// # Errors
/// It is not ready within 2 minutes.
pub fn serve_a_page(cluster: &Kubectl, name: &str, machine: &Machine) -> Outcome {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": machine.name(), "containers": [workload::nginx()]},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    });
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [pod, service]}))?;
    workload::await_pod(cluster, name)
}

/// `kubectl logs` of the pod `web`.
///
/// # Errors
/// It has none.
pub fn logs(cluster: &Kubectl) -> Outcome {
    ensure_says(&cluster.run(&["logs", "web"])?, &["GET / HTTP/1."])
}

/// `kubectl exec` into it.
///
/// # Errors
/// It fails.
pub fn exec(cluster: &Kubectl) -> Outcome {
    cluster.run(&["exec", "web", "--", "/usr/sbin/nginx", "-t"]).map(drop)
}

/// `kubectl port-forward` to it.
///
/// # Errors
/// The page does not come.
pub fn port_forward(cluster: &Kubectl) -> Outcome {
    ensure_says(&Forward::start(cluster, "pod/web")?.fetch()?, &[workload::PAGE])
}

/// Not the kubelet's but what is in pods: as webhooks and aggregated APIs are asked.
///
/// # Errors
/// The page does not come.
pub fn proxied(cluster: &Kubectl) -> Outcome {
    for path in ["pods/web:80", "services/web:80"] {
        let path = format!("/api/v1/namespaces/default/{path}/proxy/");
        ensure_says(&cluster.run(&["get", "--raw", &path])?, &[workload::PAGE])?;
    }
    Ok(())
}
