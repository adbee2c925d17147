//! A management cluster of three nodes, each in a zone of its own, loses one under load. Drained: a tenant with
//! replicas goes on, and one without does not hold the drain up. Switched off: a tenant with replicas stays joinable.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use e2e::host::Host;
use e2e::host::namespaces::NamespacesHost;
use e2e::progress::{say, step};
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Failure, Kubectl, Look, Machine, Outcome, Project, Tenant, alone, ensure, manager,
    scenario, wait_until,
};
use e2e::{management, state};
use serde_json::json;

/// A drain waits for the replica that it took last to be ready elsewhere.
const DRAIN: &str = "--timeout=120s";
const NODE_READY: Duration = Duration::from_mins(1);
const SETTLE: Duration = Duration::from_mins(4);
/// Until then kube-proxy goes on to send to the pods of a node that was lost: 50 s without a Lease, which is 10 s old at
/// most (`--node-monitor-grace-period`), and up to 5 s until anybody looks.
const NOTICED: Duration = Duration::from_secs(75);
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
            let drained = Drained::now(node)?;
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
fn a_tenant_with_replicas_stays_joinable_and_whole_when_a_zone_is_lost() -> Outcome {
    scenario("lost-zone", |project| {
        let nodes = three_nodes()?;
        alone()?;
        let (tenant, machine) = with_replicas_and_a_node(project)?;
        is_whole(&tenant)?;
        is_spread(&tenant)?;
        let serving = nodes_of(&tenant, "kube-apiserver")?;
        // The first node has the only API server of the management cluster, and the tenants' address.
        let lost = nodes.iter().skip(1).find(|node| serving.contains(*node));
        let lost = lost.ok_or_else(|| Failure::new(format!("kube-apiserver is on {serving:?}")))?;

        let counter = Counter::start(&tenant, machine.name())?;
        let began = Instant::now();
        let off = SwitchedOff::now(lost)?;
        thread::sleep(NOTICED.saturating_sub(began.elapsed()));
        let meanwhile = counter.end("lost-zone")?;
        ensure(meanwhile.lost + meanwhile.unseen == 0, || format!("it lost {meanwhile:?}"))?;
        tenant.await_ready()?;
        let counter = Counter::start(&tenant, machine.name())?;
        thread::sleep(WITHOUT_IT);
        counter.end("without-the-zone")?.ensure_flawless()?;
        let second = Machine::add("ring-drains-2", "1.37")?;
        second.join(&tenant.token("more", "1h")?.secret()?)?;
        second.await_ready(&tenant.admin()?, NODE_READY)?;

        let counter = Counter::start(&tenant, machine.name())?;
        drop(off);
        is_whole(&tenant)?;
        counter.end("zone-is-back")?.ensure_flawless()?;
        machine.await_ready(&tenant.admin()?, NODE_READY)?;
        manager::both_ready()
    })
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
        let host = NamespacesHost::new(state::host(node)?);
        step(format!("switch {node} off"), || host.switch_off())?;
        Ok(Self { host })
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
