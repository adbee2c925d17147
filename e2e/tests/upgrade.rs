//! A running tenant goes from minor to minor under load, with a joined node, and its API servers come and go.

use std::time::Duration;

use e2e::progress::step;
use e2e::ring::kubectl::text;
use e2e::ring::tenant::condition;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Tenant, ensure, is_long, scenario, wait_until,
    workload,
};
use serde_json::json;

const NODE_READY: Duration = Duration::from_mins(1);
/// kube-controller-manager's `--node-monitor-grace-period` of 50 s, and its period.
const NODE_LOST: Duration = Duration::from_mins(2);
/// All parts one after the other, each with the old one beside the new one.
const UPGRADE: Duration = Duration::from_mins(5);
const SCALE: Duration = Duration::from_mins(2);

#[test]
fn a_tenant_with_two_api_servers_is_scaled_and_upgraded_without_a_failed_request() -> Outcome {
    scenario("upgrade", |project| {
        let (first, later) = if is_long() {
            ("1.35", &[("1.36", "v1.36.3"), ("1.37", "v1.37.1")][..])
        } else {
            ("1.36", &[("1.37", "v1.37.1")][..])
        };
        let tenant = Tenant::ready(project, "demo", first)?;
        let machine = Machine::add("ring-upgrade", first)?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let since = machine.ready_since(&cluster)?;
        workload::deploy(&cluster)?;

        let counter = Counter::start(&tenant, machine.name())?;
        scale(&tenant, 2)?;
        counter.end("scale-api-servers-1-2")?.ensure_flawless()?;

        for (minor, version) in later {
            machine.load_images(minor)?;
            let counter = Counter::start(&tenant, machine.name())?;
            upgrade(&tenant, version)?;
            counter.end(&format!("upgrade-to-{minor}"))?.ensure_flawless()?;
            serves(&cluster, version)?;
            machine.stayed_ready(&cluster, &since)?;
            workload::check(&cluster, &machine)?;
        }

        let mut replicas = 2;
        for next in if is_long() { &[5, 1][..] } else { &[1] } {
            let counter = Counter::start(&tenant, machine.name())?;
            scale(&tenant, *next)?;
            counter.end(&format!("scale-api-servers-{replicas}-{next}"))?.ensure_flawless()?;
            replicas = *next;
        }
        machine.stayed_ready(&cluster, &since)?;
        if is_long() { the_node_follows(&tenant, &machine) } else { Ok(()) }
    })
}

/// Stock kubeadm on the node, whose kubelet is two minors behind by now: it is upgraded, and leaves and comes back
/// under its name, once with its old Node deleted and once with it `NotReady`.
fn the_node_follows(tenant: &Tenant, machine: &Machine) -> Outcome {
    let (cluster, node) = (tenant.admin()?, machine.name());
    machine.upgrade("1.37")?;
    wait_until("the node's kubelet is of 1.37", NODE_READY, || {
        let info = cluster.get(&["node", node])?["status"]["nodeInfo"].take();
        let is_new = text(&info, "/kubeletVersion").starts_with("v1.37.");
        Ok(Look::done_if(is_new, || info.to_string()))
    })?;
    machine.await_ready(&cluster, NODE_READY)?;
    workload::check(&cluster, machine)?;

    machine.reset()?;
    cluster.run(&["delete", "node", node])?;
    machine.join(&tenant.token("again", "1h")?.secret()?)?;
    machine.await_ready(&cluster, NODE_READY)?;
    workload::deploy(&cluster)?;

    machine.reset()?;
    wait_until("the old Node is NotReady", NODE_LOST, || {
        let found = condition(&cluster.get(&["node", node])?, "Ready")?;
        Ok(Look::done_if(found.status != "True", || format!("{found:?}")))
    })?;
    machine.join(&tenant.token("once-more", "1h")?.secret()?)?;
    machine.await_ready(&cluster, NODE_READY)?;
    tenant.await_nodes(1)?;
    workload::deploy(&cluster)?;
    workload::check(&cluster, machine)
}

fn scale(tenant: &Tenant, replicas: i32) -> Outcome {
    let plane = tenant.plane()?;
    tenant.patch(&json!({"spec": {"controlPlane": {"replicas": replicas}}}))?;
    let ready = format!("--for=jsonpath={{.status.readyReplicas}}={replicas}");
    wait_aside(tenant, &["deployment/kube-apiserver", "-n", &plane, &ready], SCALE)?;
    tenant.settles(SCALE)?;
    let deployment = ["deployment", "-n", &plane, "kube-apiserver"];
    wait_until(&format!("{replicas} API servers are ready, and no other"), SCALE, || {
        let status = tenant.project.management.get(&deployment)?["status"].take();
        let gone = status["terminatingReplicas"].as_i64().unwrap_or(0) == 0;
        let there = status["readyReplicas"] == replicas && status["replicas"] == replicas && gone;
        Ok(Look::done_if(there, || status.to_string()))
    })?;
    let budget = ["poddisruptionbudget", "-n", &plane, "kube-apiserver"];
    let has_budget = tenant.project.management.find(&budget)?.is_some();
    ensure(has_budget == (replicas > 1), || format!("a budget is there: {has_budget}"))
}

fn upgrade(tenant: &Tenant, version: &str) -> Outcome {
    tenant.patch(&json!({"spec": {"version": version}}))?;
    let there = format!("--for=jsonpath={{.status.version}}={version}");
    let object = format!("tnc/{}", tenant.name);
    wait_aside(tenant, &[&object, "-n", &tenant.project.name, &there], UPGRADE)?;
    tenant.settles(SCALE)?;
    let now = tenant.status("/version")?;
    ensure(now == version, || format!("status.version is {now}"))
}

/// One watch: asking again and again would take the processors away from what is counted.
fn wait_aside(tenant: &Tenant, words: &[&str], within: Duration) -> Outcome {
    let timeout = format!("--timeout={}s", within.as_secs());
    let no_deadline = "--request-timeout=0";
    let words = [&["wait", &timeout, no_deadline][..], words].concat();
    step(format!("kubectl {}", words.join(" ")), || tenant.project.management.run(&words).map(drop))
}

/// Every part is of the version, also what kubeadm and nodes read.
fn serves(cluster: &Kubectl, version: &str) -> Outcome {
    let told: serde_json::Value =
        serde_json::from_str(&cluster.run(&["get", "--raw", "/version"])?)?;
    ensure(told["gitVersion"] == version, || format!("/version says {told}"))?;
    let config = cluster.get(&["configmap", "-n", "kube-system", "kubeadm-config"])?;
    let says = text(&config, "/data/ClusterConfiguration");
    ensure(says.contains(&format!("kubernetesVersion: {version}")), || says.to_owned())?;
    let proxy = cluster.get(&["daemonset", "-n", "kube-system", "kube-proxy"])?;
    let image = text(&proxy, "/spec/template/spec/containers/0/image");
    ensure(image.ends_with(version), || format!("kube-proxy is {image}"))
}
