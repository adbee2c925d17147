//! A pod on each machine, and the ways to it: through the tunnel there are some, past the firewall there is none.

use std::time::Duration;

use e2e::install::GATEWAY_PORT;
use e2e::network::MANAGEMENT_ADDRESS;
use e2e::ring::kubectl::{each, text};
use e2e::ring::process::on_the_host;
use e2e::ring::{
    Failure, Forward, Kubectl, Look, Machine, Outcome, ensure, ensure_says, wait_until, workload,
};
use serde_json::{Value, json};

use super::node::Node;

/// A container starts in seconds on an emulated CPU.
const READY: Duration = Duration::from_mins(3);
/// Of `timeout`: not even a refusal came.
const NOTHING_CAME: &str = "ended with 124";

/// A page, and beside it who asks, on one machine; under the machine's name.
pub fn deploy(cluster: &Kubectl, machine: &Machine) -> Outcome {
    let name = machine.name();
    let client = json!({
        "name": "client", "image": e2e::images::BUSYBOX, "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
    });
    let mut page = workload::nginx();
    // A second may pass on an emulated CPU before an answer comes.
    page["readinessProbe"]["timeoutSeconds"] = json!(5);
    cluster.apply(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "nodeSelector": {"kubernetes.io/hostname": name},
                    "containers": [page, client],
                },
            },
        },
    }))
}

/// The pod of it that is not over.
pub fn pod(cluster: &Kubectl, machine: &Machine) -> Outcome<Value> {
    let label = format!("app={}", machine.name());
    let pods = cluster.list(&["pods", "-l", &label])?;
    let mut running = pods.into_iter().filter(|pod| text(pod, "/status/phase") == "Running");
    running.next().ok_or_else(|| Failure::new(format!("no pod of {label} runs")))
}

/// Its containers are ready, and log, exec and port-forward work, which they do through the tunnel alone.
pub fn in_every_way(cluster: &Kubectl, machine: &Machine) -> Outcome {
    let name = machine.name();
    wait_until(&format!("the pod on {name} is ready and can be used"), READY, || {
        let found = pod(cluster, machine)?;
        let is_ready = each(&found, "/status/containerStatuses").all(|one| one["ready"] == true);
        if !is_ready {
            return Ok(Look::NotYet(found["status"].to_string()));
        }
        let pod = text(&found, "/metadata/name");
        let log = cluster.run(&["logs", pod, "-c", "nginx", "--tail=5"])?;
        ensure_says(&log, &["GET / HTTP/1."])?;
        cluster.run(&["exec", pod, "-c", "nginx", "--", "/usr/sbin/nginx", "-t"])?;
        let page = Forward::start(cluster, &format!("pod/{pod}"))?.fetch()?;
        ensure_says(&page, &[workload::PAGE])?;
        Ok(Look::Done(()))
    })
}

/// Nobody gets through to the machine: not the management cluster, not its neighbour, not the neighbour's pods; and it gets through to
/// the gateway alone.
pub fn is_secluded(node: &Node<'_, '_>, neighbour: &Node<'_, '_>) -> Outcome {
    let machine = &node.machine;
    for port in ["22", "10250"] {
        let address = machine.address();
        let knock =
            format!("timeout 3 busybox nc {address} {port} < /dev/null; echo ended with $?");
        ensure_says(&on_the_host(&knock)?, &[NOTHING_CAME])?;
        ensure_says(&knocked(&neighbour.machine, &address, port)?, &[NOTHING_CAME])?;
    }
    let gateway = MANAGEMENT_ADDRESS.to_string();
    ensure_says(&knocked(machine, &gateway, "6443")?, &[NOTHING_CAME])?;
    ensure_says(&knocked(machine, &gateway, &GATEWAY_PORT.to_string())?, &["ended with 0"])?;
    // The pod network of these machines is a bridge in each: none leads from one to the other, and through this firewall none could.
    let (own, other) = (pod(node.cluster, machine)?, pod(node.cluster, &neighbour.machine)?);
    let url = format!("http://{}/", text(&other, "/status/podIP"));
    let pod = text(&own, "/metadata/name");
    let fetch = ["exec", pod, "-c", "client", "--", "timeout", "3", "wget", "-q", "-O", "-", &url];
    ensure(node.cluster.run(&fetch).is_err(), || format!("{pod} reached {url}"))
}

fn knocked(machine: &Machine, address: &str, port: &str) -> Outcome<String> {
    let script = format!("timeout 3 bash -c '</dev/tcp/{address}/{port}'; echo ended with $?");
    machine.run(&["sh", "-c", &script])
}
