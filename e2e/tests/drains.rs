//! Each node of a management cluster of three is drained under load: a tenant with replicas goes on, and one without
//! does not hold the drain up.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::management;
use e2e::progress::{say, step};
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Tenant, alone, ensure, manager, scenario, wait_until,
};
use serde_json::json;

/// A drain waits for the replica that it took last to be ready elsewhere.
const DRAIN: &str = "--timeout=120s";
const NODE_READY: Duration = Duration::from_mins(1);
const SETTLE: Duration = Duration::from_mins(4);

#[test]
fn any_node_is_drained_without_a_failed_request_to_a_tenant_with_replicas() -> Outcome {
    scenario("drains", |project| {
        let nodes = three_nodes()?;
        alone()?;
        let mut spec = spec_for_namespaces("1.37");
        let single = Tenant::create(project, "single", &spec)?;
        spec["controlPlane"] = json!({"replicas": 2});
        spec["etcd"] = json!({"replicas": 3});
        let tenant = Tenant::create(project, "replicated", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-drains", "1.37")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let since = machine.ready_since(&cluster)?;
        for each in [&tenant, &single] {
            is_whole(each)?;
        }
        is_spread(&tenant)?;

        let mut took_the_single_member = 0;
        for node in &nodes {
            let holds = nodes_of(&single, "etcd")?.contains(node);
            let counter = Counter::start(&tenant, machine.name())?;
            let drained = Drained::now(node)?;
            took_the_single_member += usize::from(holds && nodes_of(&single, "etcd")?.is_empty());
            drop(drained);
            is_whole(&tenant)?;
            counter.end(&format!("drain-{node}"))?.ensure_flawless()?;
            is_whole(&single)?;
            is_spread(&tenant)?;
            manager::both_ready()?;
        }
        ensure(took_the_single_member == 1, || {
            format!("{took_the_single_member} drains took the member whose volume is on the node")
        })?;
        machine.stayed_ready(&cluster, &since)
    })
}

fn three_nodes() -> Outcome<Vec<String>> {
    let nodes: Vec<String> =
        management::hosts()?.iter().map(|host| host.name().to_owned()).collect();
    ensure(nodes.len() == 3, || {
        format!("the management cluster is {nodes:?}; run `sandbox up --nodes 3`")
    })?;
    Ok(nodes)
}

/// A node that takes pods again when this is dropped.
struct Drained<'n> {
    node: &'n str,
}

impl<'n> Drained<'n> {
    fn now(node: &'n str) -> Outcome<Self> {
        let drained = Self { node };
        let words = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", DRAIN];
        let no_deadline = ["--request-timeout=0"];
        step(format!("drain {node}"), || {
            Kubectl::management().run(&[&words[..], &no_deadline].concat())
        })?;
        Ok(drained)
    }
}

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        if let Err(failure) = Kubectl::management().run(&["uncordon", self.node]) {
            say(&format!("{} takes no pods: {failure}", self.node));
        }
    }
}

/// The nodes that pods of a component are on; one that is on none counts for nothing.
fn nodes_of(tenant: &Tenant, component: &str) -> Outcome<BTreeSet<String>> {
    let (plane, ours) = (tenant.plane()?, format!("app.kubernetes.io/name={component}"));
    let pods = tenant.project.management.list(&["pods", "-n", &plane, "-l", &ours])?;
    let nodes = pods.iter().map(|pod| text(pod, "/spec/nodeName").to_owned());
    Ok(nodes.filter(|node| !node.is_empty()).collect())
}

fn is_spread(tenant: &Tenant) -> Outcome {
    for (component, replicas) in [("etcd", 3), ("kube-apiserver", 2)] {
        let nodes = nodes_of(tenant, component)?;
        ensure(nodes.len() == replicas, || format!("{component} is on {nodes:?} only"))?;
    }
    Ok(())
}

/// Every replica of every component is ready, and the status says so.
fn is_whole(tenant: &Tenant) -> Outcome {
    wait_until(&format!("{} has all its replicas", tenant.name), SETTLE, || {
        let words = ["deployments,statefulsets", "-n", &tenant.plane()?];
        let all = tenant.project.management.list(&words)?;
        let lacks =
            all.iter().find(|one| one["status"]["readyReplicas"] != one["spec"]["replicas"]);
        let whole = all.len() == 4 && lacks.is_none();
        Ok(Look::done_if(whole, || format!("{}: {lacks:?}", all.len())))
    })?;
    tenant.settles(SETTLE)
}
