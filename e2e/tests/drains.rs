//! A management cluster of three nodes, each in a zone of its own, loses one under load. Drained: a tenant with
//! replicas goes on, and one without does not hold the drain up. Switched off: a tenant with replicas goes on, and all of
//! it starts elsewhere once the operator says that the node does not come back.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use e2e::host::Host;
use e2e::host::namespaces::NamespacesHost;
use e2e::progress::{say, step};
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Failure, Kubectl, Look, Machine, Outcome, Project, Tenant, alone, ensure, ensure_says,
    manager, scenario, wait_until,
};
use e2e::{management, state};
use serde_json::json;

/// A drain waits for the replica that it took last to be ready elsewhere.
const DRAIN: &str = "--timeout=120s";
const NODE_READY: Duration = Duration::from_mins(1);
const SETTLE: Duration = Duration::from_mins(4);
/// Until a lost node's pods are out of their Service: 50 s without a Lease (`--node-monitor-grace-period`), which is 10 s
/// old at most, up to 5 s until anybody looks, and the marks of its pods; 51 s were seen.
const NOTICED: Duration = Duration::from_secs(150);
/// conntrack keeps what it had sent to the lost node, and sends whoever comes from the same port after it: so long after
/// the last packet (`nf_conntrack_tcp_timeout_syn_sent`), here a twelfth of new connections.
const FORGOTTEN: Duration = Duration::from_secs(125);
/// How long the others are counted without it; pods of a lost node are not evicted before 5 minutes.
const WITHOUT_IT: Duration = Duration::from_secs(30);

#[test]
fn any_node_is_drained_while_a_tenant_with_replicas_serves() -> Outcome {
    scenario("drains", |project| {
        let nodes = three_nodes()?;
        alone()?;
        let single = Tenant::create(project, "single", &spec_for_namespaces("1.37"))?;
        let (tenant, machine) = with_replicas_and_a_node(project)?;
        let cluster = tenant.admin()?;
        let since = machine.ready_since(&cluster)?;
        for each in [&tenant, &single] {
            is_whole(each)?;
        }
        is_spread(&tenant)?;

        let mut took_the_single_member = 0;
        for node in &nodes {
            let holds = nodes_of(&single, "etcd")?.contains(node);
            let counter = Counter::start(&tenant, machine.name())?;
            let drained = Closed::by_a_drain(node)?;
            took_the_single_member += usize::from(holds && nodes_of(&single, "etcd")?.is_empty());
            drop(drained);
            is_whole(&tenant)?;
            counter.end(&format!("drain-{node}"))?.ensure_flawless_but_for_leadership()?;
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

#[test]
fn a_tenant_with_replicas_serves_without_a_zone_and_is_whole_when_it_is_given_up() -> Outcome {
    scenario("lost-zone", |project| {
        let nodes = three_nodes()?;
        alone()?;
        let (tenant, machine) = with_replicas_and_a_node(project)?;
        is_whole(&tenant)?;
        is_spread(&tenant)?;
        let lost = home_beside(&nodes[0], &tenant)?;

        let counter = Counter::start(&tenant, machine.name())?;
        let off = SwitchedOff::now(&lost)?;
        is_out_of_its_service(&tenant, &lost)?;
        let meanwhile = counter.end("lost-zone")?;
        ensure(meanwhile.lost + meanwhile.unseen == 0, || format!("it lost {meanwhile:?}"))?;
        thread::sleep(FORGOTTEN);
        let counter = Counter::start(&tenant, machine.name())?;
        thread::sleep(WITHOUT_IT);
        counter.end("without-the-zone")?.ensure_flawless()?;
        let signer = tenant.await_condition("ControllerManagerReady", "False", NODE_READY)?;
        ensure_says(&format!("{signer:?}"), &["NodeLost", &lost, "out-of-service"])?;

        let given_up = GivenUp::now(&lost)?;
        tenant.await_condition("Ready", "True", SETTLE)?;
        let second = Machine::add("ring-drains-2", "1.37")?;
        second.join(&tenant.token("more", "1h")?.secret()?)?;
        second.await_ready(&tenant.admin()?, NODE_READY)?;

        let counter = Counter::start(&tenant, machine.name())?;
        drop(off);
        drop(given_up);
        is_whole(&tenant)?;
        counter.end("zone-is-back")?.ensure_flawless_but_for_leadership()?;
        machine.await_ready(&tenant.admin()?, NODE_READY)?;
        manager::both_ready()
    })
}

/// The node that kube-controller-manager is on, after it had to leave the first: that one has the only API server of the
/// management cluster, and the tenants' address.
fn home_beside(first: &str, tenant: &Tenant) -> Outcome<String> {
    let closed = Closed::to_new_pods(first)?;
    let pod = ["pod", "-n", &tenant.plane()?, "kube-controller-manager-0"];
    Kubectl::management().run(&[&["delete"][..], &pod].concat())?;
    is_whole(tenant)?;
    drop(closed);
    let home = nodes_of(tenant, "kube-controller-manager")?.pop_first();
    home.ok_or_else(|| Failure::new("kube-controller-manager is nowhere"))
}

fn with_replicas_and_a_node(project: &Project) -> Outcome<(Tenant<'_>, Machine)> {
    let mut spec = spec_for_namespaces("1.37");
    spec["controlPlane"] = json!({"replicas": 2});
    spec["etcd"] = json!({"replicas": 3});
    let tenant = Tenant::create(project, "replicated", &spec)?;
    tenant.await_ready()?;
    let machine = Machine::add("ring-drains", "1.37")?;
    machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
    machine.await_ready(&tenant.admin()?, NODE_READY)?;
    Ok((tenant, machine))
}

fn three_nodes() -> Outcome<Vec<String>> {
    let nodes: Vec<String> =
        management::hosts()?.iter().map(|host| host.name().to_owned()).collect();
    ensure(nodes.len() == 3, || {
        format!("the management cluster is {nodes:?}; run `sandbox up --nodes 3`")
    })?;
    Ok(nodes)
}

/// A node's machine that is switched on again when this is dropped.
struct SwitchedOff {
    host: NamespacesHost,
}

impl SwitchedOff {
    fn now(node: &str) -> Outcome<Self> {
        let off = Self { host: NamespacesHost::new(state::host(node)?) };
        step(format!("switch {node} off"), || off.host.switch_off())?;
        Ok(off)
    }
}

impl Drop for SwitchedOff {
    fn drop(&mut self) {
        if let Err(error) = self.host.boot() {
            say(&format!("{} stays off: {error}", self.host.name()));
        }
    }
}

/// A node that takes pods again when this is dropped.
struct Closed<'n> {
    node: &'n str,
}

impl<'n> Closed<'n> {
    fn to_new_pods(node: &'n str) -> Outcome<Self> {
        let closed = Self { node };
        Kubectl::management().run(&["cordon", node])?;
        Ok(closed)
    }

    fn by_a_drain(node: &'n str) -> Outcome<Self> {
        let closed = Self { node };
        let words = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", DRAIN];
        let no_deadline = ["--request-timeout=0"];
        step(format!("drain {node}"), || {
            Kubectl::management().run(&[&words[..], &no_deadline].concat())
        })?;
        Ok(closed)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if let Err(failure) = Kubectl::management().run(&["uncordon", self.node]) {
            say(&format!("{} takes no pods: {failure}", self.node));
        }
    }
}

/// A node of which the operator says that it is off for good, until this is dropped.
struct GivenUp<'n> {
    node: &'n str,
}

impl<'n> GivenUp<'n> {
    const TAINT: &'static str = "node.kubernetes.io/out-of-service";

    fn now(node: &'n str) -> Outcome<Self> {
        let given_up = Self { node };
        let taint = format!("{}=nodeshutdown:NoExecute", Self::TAINT);
        Kubectl::management().run(&["taint", "node", node, &taint])?;
        Ok(given_up)
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let words = ["taint", "node", self.node, &format!("{}-", Self::TAINT)];
        if let Err(failure) = Kubectl::management().run(&words) {
            say(&format!("{} stays given up: {failure}", self.node));
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

/// The tenant's endpoint sends nobody to a node any more.
fn is_out_of_its_service(tenant: &Tenant, node: &str) -> Outcome {
    wait_until(&format!("the endpoint has nothing on {node}"), NOTICED, || {
        let ours = "kubernetes.io/service-name=kube-apiserver-public";
        let words = ["endpointslices", "-n", &tenant.plane()?, "-l", ours];
        let slices = tenant.project.management.list(&words)?;
        let endpoints = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
        let sent_to = endpoints
            .filter(|one| one["nodeName"] == node && one["conditions"]["ready"] == true)
            .count();
        Ok(Look::done_if(sent_to == 0, || format!("{sent_to} endpoints are ready there")))
    })
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
