//! What a tenant runs: a web server, reached in every way that a user would.

use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::{each, text};
use super::{Kubectl, Look, Machine, Outcome, ensure_says, wait_until};
use crate::command::{command, output};
use crate::network;

/// An emulated machine starts a container in seconds, and has other tests beside it.
const ROLLOUT: Duration = Duration::from_mins(5);
const ANSWER: Duration = Duration::from_mins(1);
/// A part of the page that the sandbox's nginx image serves.
pub const PAGE: &str = "a tenant's own node";

/// Deploys a web server with a NodePort Service, and a client pod.
///
/// # Errors
/// They do not run.
pub fn deploy(cluster: &Kubectl) -> Outcome {
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "List",
        "items": [web(), service(), client()],
    }))?;
    for what in ["deployment/coredns -n kube-system", "deployment/web", "pod/client"] {
        let words: Vec<&str> = ["get", "-ojson"].into_iter().chain(what.split(' ')).collect();
        wait_until(&format!("{what} is ready"), ROLLOUT, || {
            let object: Value = serde_json::from_str(&cluster.run(&words)?)?;
            let ready = match text(&object, "/kind") {
                "Pod" => object["status"]["containerStatuses"][0]["ready"] == true,
                _ => object["status"]["readyReplicas"] == object["spec"]["replicas"],
            };
            Ok(Look::done_if(ready, || object["status"].to_string()))
        })?;
    }
    Ok(())
}

/// Waits until CoreDNS is ready: its pods ask the API server by the address of its Service.
///
/// # Errors
/// It does not get ready.
pub fn await_core_dns(cluster: &Kubectl) -> Outcome {
    wait_until("CoreDNS is ready", ROLLOUT, || {
        let found = cluster.get(&["deployment", "-n", "kube-system", "coredns"])?;
        let ready = found["status"]["readyReplicas"].as_u64().unwrap_or_default();
        Ok(Look::done_if(ready > 0, || found["status"].to_string()))
    })
}

/// Reaches the page by the node's port from another machine and by name from another pod, reads the
/// server's log, and runs a command in its pod.
///
/// # Errors
/// One way does not work.
pub fn check(cluster: &Kubectl, node: &Machine) -> Outcome {
    served_at_node_port(cluster, node)?;
    served_at_cluster_ip(cluster)?;
    let log = cluster.run(&["logs", "deployment/web"])?;
    ensure_says(&log, &["GET / HTTP/1."])?;
    let inside = cluster.run(&["exec", "deployment/web", "--", "/usr/sbin/nginx", "-t"]);
    inside.map(drop)
}

/// Fetches the page from the management host, through the node's port.
///
/// # Errors
/// It is not served within a minute.
pub fn served_at_node_port(cluster: &Kubectl, node: &Machine) -> Outcome {
    let port = cluster.get(&["service", "web"])?["spec"]["ports"][0]["nodePort"].to_string();
    let url = format!("http://{}:{port}/", node.address());
    wait_until(&format!("the page is served at {url}"), ANSWER, || {
        let mut words = network::enter(&network::namespace(network::MANAGEMENT));
        // `wget -T` of Debian's static busybox crashes.
        let fetch = ["timeout", "3", "busybox", "wget", "-q", "-O", "-", &url];
        words.extend(fetch.map(str::to_owned));
        let page = output(&mut command(&words))?;
        Ok(Look::done_if(page.contains(PAGE), || page))
    })
}

fn served_at_cluster_ip(cluster: &Kubectl) -> Outcome {
    let fetch = ["exec", "client", "--", "timeout", "3", "wget", "-q", "-O", "-"];
    for host in ["web.default.svc.cluster.local", "web"] {
        wait_until(&format!("a pod finds the page at http://{host}"), ANSWER, || {
            let page = cluster.run(&[&fetch[..], &[&format!("http://{host}/")]].concat())?;
            Ok(Look::done_if(page.contains(PAGE), || page))
        })?;
    }
    Ok(())
}

/// Waits until each container of a pod is ready.
///
/// # Errors
/// One is not within 5 minutes.
pub fn await_pod(cluster: &Kubectl, name: &str) -> Outcome {
    wait_until(&format!("the pod {name} is ready"), ROLLOUT, || {
        let status = cluster.get(&["pod", name])?["status"].take();
        let mut containers = each(&status, "/containerStatuses").map(|one| one["ready"] == true);
        let ready = containers.next() == Some(true) && containers.all(|ready| ready);
        Ok(Look::done_if(ready, || status.to_string()))
    })
}

/// A container that serves a page on port 80.
#[must_use]
pub fn nginx() -> Value {
    json!({
        "name": "nginx", "image": "docker.io/library/nginx:1.22",
        "imagePullPolicy": "IfNotPresent", "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    })
}

fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [nginx()]},
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    })
}

fn client() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "busybox", "image": "docker.io/library/busybox:1.37",
                "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
            }],
        },
    })
}
