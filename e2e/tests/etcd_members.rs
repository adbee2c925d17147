//! Members of a tenant's etcd come and go under load, and one that lost its volume is replaced alone.

use std::time::Duration;

use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Counter, Look, Machine, Outcome, Tenant, ensure, is_long, scenario, wait_until};
use serde_json::{Value, json};

const SCALE: Duration = Duration::from_mins(4);
const NODE_READY: Duration = Duration::from_mins(1);

#[test]
fn etcd_goes_from_one_to_three_members_and_back_while_it_serves() -> Outcome {
    scenario("etcd-members", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["controlPlane"] = json!({"replicas": 2});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-members", "1.37")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let since = machine.ready_since(&cluster)?;
        tenant.settles(SCALE)?;

        let mut members = 1;
        for next in if is_long() { &[3, 5, 3, 1][..] } else { &[3, 1] } {
            let counter = Counter::start(&tenant, machine.name())?;
            scale(&tenant, *next)?;
            let told = counter.end(&format!("scale-etcd-{members}-{next}"))?;
            told.ensure_flawless_but_for_leadership()?;
            if members == 1 {
                let counter = Counter::start(&tenant, machine.name())?;
                replace(&tenant, 1)?;
                let told = counter.end("replace-etcd-member")?;
                told.ensure_flawless_but_for_leadership()?;
            }
            members = *next;
        }
        is_saved_before(&tenant)?;
        machine.stayed_ready(&cluster, &since)
    })
}

fn scale(tenant: &Tenant, members: usize) -> Outcome {
    tenant.patch(&json!({"spec": {"etcd": {"replicas": members}}}))?;
    wait_until(&format!("etcd has {members} members"), SCALE, || {
        let (pods, claims) = (there(tenant, "pods")?, there(tenant, "persistentvolumeclaims")?);
        let done = pods == members && claims == members;
        Ok(Look::done_if(done, || format!("{pods} pods, {claims} claims")))
    })?;
    tenant.settles(SCALE)?;
    let plane = tenant.plane()?;
    let deployment = ["deployment", "-n", &plane, "kube-apiserver"];
    let connected = tenant.project.management.get(&deployment)?["metadata"]["annotations"]
        ["nagaya.dev/etcd-members"]
        .as_str()
        .and_then(|count| count.parse().ok());
    ensure(connected == Some(members), || format!("kube-apiserver connects to {connected:?}"))
}

/// Whoever left did so after a snapshot.
fn is_saved_before(tenant: &Tenant) -> Outcome {
    let saved = tenant.status("/snapshots")?;
    let reasons: Vec<&str> = each(&saved, "").map(|one| text(one, "/reason")).collect();
    ensure(reasons.iter().any(|reason| reason.contains("the removal of etcd members")), || {
        format!("snapshots were taken for {reasons:?}")
    })
}

/// Its claim and its pod go, as when a disk is lost; the others go on.
fn replace(tenant: &Tenant, ordinal: u8) -> Outcome {
    let (plane, pod) = (tenant.plane()?, format!("etcd-{ordinal}"));
    let management = &tenant.project.management;
    let claim = format!("data-{pod}");
    let before = uids(tenant)?;
    management.run(&["delete", "pvc", &claim, "-n", &plane, "--wait=false"])?;
    management.run(&["delete", "pod", &pod, "-n", &plane])?;
    wait_until(&format!("{pod} is replaced"), SCALE, || {
        let set = management.get(&["statefulset", "-n", &plane, "etcd"])?;
        Ok(Look::done_if(set["status"]["readyReplicas"] == 3, || set["status"].to_string()))
    })?;
    tenant.settles(SCALE)?;
    let after = uids(tenant)?;
    let kept = before.iter().filter(|uid| after.contains(uid)).count();
    ensure(kept == 2, || format!("volume claims were {before:?} and are {after:?}"))
}

fn of_etcd(tenant: &Tenant, kind: &str) -> Outcome<Vec<Value>> {
    let plane = tenant.plane()?;
    let words = [kind, "-n", &plane, "-l", "app.kubernetes.io/name=etcd"];
    tenant.project.management.list(&words)
}

fn there(tenant: &Tenant, kind: &str) -> Outcome<usize> {
    of_etcd(tenant, kind).map(|found| found.len())
}

fn uids(tenant: &Tenant) -> Outcome<Vec<String>> {
    let found = of_etcd(tenant, "persistentvolumeclaims")?;
    Ok(found.iter().map(|one| one["metadata"]["uid"].to_string()).collect())
}
