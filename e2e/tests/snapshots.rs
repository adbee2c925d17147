//! etcd is saved by schedule, and a tenant with a node and a workload goes back to what it was.

use std::time::Duration;

use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Kubectl, Look, Machine, Outcome, Tenant, ensure, scenario, wait_until, workload};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
/// The schedule's shortest interval and a Job, twice.
const SNAPSHOT: Duration = Duration::from_mins(5);
/// A snapshot, everything ends, a Job, everything starts.
const RESTORE: Duration = Duration::from_mins(5);
/// kubelet tries again every 10 s, and its node is Ready with the next status after that.
const NODE_RETURNS: Duration = Duration::from_mins(2);

#[test]
fn a_tenant_goes_back_to_a_snapshot_and_its_node_and_workload_go_on() -> Outcome {
    scenario("snapshots", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["snapshots"] = json!({"schedule": "1m", "keep": 3});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-snapshots", "1.37")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        workload::deploy(&cluster)?;

        cluster.run(&["create", "configmap", "before", "--from-literal=word=nagaya"])?;
        let snapshot = tenant.next_snapshot(SNAPSHOT)?;
        // The next one would hold what is to go, and then be the newest.
        tenant.patch(&json!({"spec": {"snapshots": {"schedule": "6h"}}}))?;
        cluster.run(&["create", "configmap", "after", "--from-literal=word=nagaya"])?;
        let newest = revision(&cluster)?;

        restore(&tenant, &snapshot)?;
        let word = cluster.get(&["configmap", "before"])?["data"]["word"].take();
        ensure(word == "nagaya", || format!("what was saved is {word}"))?;
        let after = cluster.find(&["configmap", "after"])?;
        ensure(after.is_none(), || "what was written after the snapshot is there".to_owned())?;
        let now = revision(&cluster)?;
        ensure(now > newest, || format!("revision {now} is not beyond {newest}: watches miss it"))?;
        machine.await_ready(&cluster, NODE_RETURNS)?;
        workload::check(&cluster, &machine)?;
        new_pods_run(&cluster)?;
        only_the_volume_stays(&tenant)
    })
}

#[test]
fn a_snapshot_that_is_not_there_is_refused_and_nothing_stops() -> Outcome {
    scenario("snapshot-missing", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        tenant.restore_from("none")?;
        let refused = tenant.await_condition("Stalled", "True", SNAPSHOT)?;
        let says = "there is no snapshot none";
        ensure(refused.message.contains(says), || refused.message.clone())?;
        tenant.await_ready()
    })
}

fn restore(tenant: &Tenant, snapshot: &str) -> Outcome {
    tenant.restore_from(snapshot)?;
    tenant.await_restored(snapshot, RESTORE)?;
    tenant.await_condition("EtcdReady", "True", RESTORE)?;
    tenant.await_condition("APIServerReady", "True", RESTORE)?;
    tenant.await_condition("SchedulerReady", "True", RESTORE)?;
    tenant.await_ready()?;
    let saved = tenant.status("/snapshots")?;
    let reason = format!("before the restore of {snapshot}");
    let has_saved = each(&saved, "").any(|one| text(one, "/reason") == reason);
    ensure(has_saved, || format!("nothing was saved before: {saved}"))
}

/// That of the newest write that this cluster knows of.
fn revision(cluster: &Kubectl) -> Outcome<u64> {
    let list: Value =
        serde_json::from_str(&cluster.run(&["get", "--raw", "/api/v1/namespaces?limit=1"])?)?;
    Ok(text(&list, "/metadata/resourceVersion").parse()?)
}

/// The scheduler, the controller-manager and the kubelet see what is new: their watches go on.
fn new_pods_run(cluster: &Kubectl) -> Outcome {
    cluster.run(&["rollout", "restart", "deployment/web"])?;
    let within = "--timeout=3m";
    let words = ["rollout", "status", "deployment/web", within, "--request-timeout=0"];
    cluster.run(&words).map(drop)
}

/// The Jobs are gone, and their volume stays.
fn only_the_volume_stays(tenant: &Tenant) -> Outcome {
    let (management, plane) = (&tenant.project.management, tenant.plane()?);
    wait_until("the Jobs are gone", NODE_READY, || {
        let jobs = management.list(&["jobs", "-n", &plane])?;
        Ok(Look::done_if(jobs.is_empty(), || format!("{} Jobs", jobs.len())))
    })?;
    management.get(&["persistentvolumeclaim", "-n", &plane, "etcd-snapshots"]).map(drop)
}
