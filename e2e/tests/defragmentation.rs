//! The members of an etcd of three are defragmented one after the other, and restarted, and no request fails.

use std::time::Duration;

use e2e::ring::filler::Filler;
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Tenant, ensure, manager, scenario, wait_until,
};
use serde_json::{Value, json};

const SCALE: Duration = Duration::from_mins(4);
/// Three members with a pause of 10 s after each, and a new manager first.
const DEFRAGMENTED: Duration = Duration::from_mins(3);
/// Lots of 4 MB: 104 of a quota of 128 MiB.
const LOTS: usize = 26;
const LARGE: u64 = 100 << 20;

#[test]
fn three_members_are_defragmented_and_restarted_while_they_serve() -> Outcome {
    scenario("defragmentation", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["controlPlane"] = json!({"replicas": 2});
        spec["etcd"] = json!({"replicas": 3, "quota": "128Mi"});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-defragment", "1.37")?;
        tenant.settles(SCALE)?;
        let cluster = tenant.admin()?;

        let mut filler = Filler::new(&cluster, "defragmentation");
        filler.fill(LOTS)?;
        filler.remove()?;
        compact(&tenant, &cluster)?;
        let before = sizes(&tenant)?;
        ensure(before.iter().all(|size| *size >= LARGE), || format!("sizes are {before:?}"))?;

        let counter = Counter::start(&tenant, machine.name())?;
        // A new one asks every etcd at once; otherwise nobody does for nine minutes.
        manager::restart()?;
        wait_until("every member is small", DEFRAGMENTED, || {
            let now = sizes(&tenant)?;
            Ok(Look::done_if(now.iter().all(|size| *size < LARGE / 2), || format!("{now:?}")))
        })?;
        counter.end("defragment-3")?.ensure_flawless()?;
        tenant.settles(SCALE)?;
        is_told(&tenant)?;

        let counter = Counter::start(&tenant, machine.name())?;
        tenant.patch(&json!({"spec": {"etcd": {"quota": "256Mi"}}}))?;
        tenant.settles(SCALE)?;
        counter.end("restart-etcd-3")?.ensure_flawless_but_for_leadership()
    })
}

/// kube-apiserver does it too, but minutes later.
fn compact(tenant: &Tenant, cluster: &Kubectl) -> Outcome {
    let list = cluster.run(&["get", "--raw", "/api/v1/namespaces?limit=1"])?;
    let list: Value = serde_json::from_str(&list)?;
    let revision = text(&list, "/metadata/resourceVersion").to_owned();
    etcdctl(tenant, 0, &["compact", "--physical", &revision]).map(drop)
}

fn sizes(tenant: &Tenant) -> Outcome<Vec<u64>> {
    let size = |ordinal| -> Outcome<u64> {
        let status = etcdctl(tenant, ordinal, &["endpoint", "status", "--write-out=json"])?;
        let status: Value = serde_json::from_str(&status)?;
        Ok(status.pointer("/0/Status/dbSize").and_then(Value::as_u64).unwrap_or_default())
    };
    (0..3).map(size).collect()
}

fn etcdctl(tenant: &Tenant, ordinal: u8, words: &[&str]) -> Outcome<String> {
    let (plane, pod) = (tenant.plane()?, format!("etcd-{ordinal}"));
    let exec = ["exec", "-n", &plane, &pod, "-c", "etcd", "--", "etcdctl"];
    let identity = [
        "--endpoints=https://localhost:2379",
        "--cacert=/etc/kubernetes/pki/ca.crt",
        "--cert=/etc/kubernetes/pki/server.crt",
        "--key=/etc/kubernetes/pki/server.key",
    ];
    tenant.project.management.run(&[&exec[..], &identity, words].concat())
}

/// By an Event. Those of one reason are one object with a count, and its words are the first's.
fn is_told(tenant: &Tenant) -> Outcome {
    let words = ["events.events.k8s.io", "-n", &tenant.project.name];
    let events = tenant.project.management.list(&words)?;
    let told = events.iter().filter(|event| event["reason"] == "Defragmented");
    let notes: std::collections::BTreeSet<&str> = told.map(|event| text(event, "/note")).collect();
    ensure(!notes.is_empty(), || format!("Events are {notes:?}"))
}
