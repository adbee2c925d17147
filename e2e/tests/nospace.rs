//! A tenant that fills its etcd can read, is told what to do, and writes again by itself once there is room.

use std::time::Duration;

use e2e::ring::filler::Filler;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Kubectl, Look, Outcome, Tenant, ensure, ensure_says, invariants, scenario, stays, wait_until,
};
use serde_json::json;

/// Lots of 4 MB, of which a quota of 64 MiB does not hold so many.
const TOO_MANY: usize = 20;
const NOTICED: Duration = Duration::from_secs(30);
/// What can be taken away by itself is away by then.
const HEALED: Duration = Duration::from_secs(20);
const ROUNDS: usize = 4;
const READABLE: Duration = Duration::from_secs(20);
/// Looks every few seconds, a compaction, a defragmentation, and with a new quota the restart of etcd.
const WRITABLE: Duration = Duration::from_mins(2);

#[test]
fn a_full_etcd_is_readable_and_written_to_again_after_a_deletion_and_with_a_larger_quota() -> Outcome
{
    scenario("nospace", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["etcd"] = json!({"quota": "64Mi"});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let cluster = tenant.admin()?;
        cluster.run(&["create", "configmap", "kept", "--from-literal=word=nagaya"])?;
        let mut filler = Filler::new(&cluster, "nospace");

        fill(&mut filler, &tenant)?;
        is_full(&tenant, &cluster)?;
        filler.remove()?;
        is_written_to(&tenant, &cluster, "deleted")?;

        fill(&mut filler, &tenant)?;
        is_full(&tenant, &cluster)?;
        tenant.patch(&json!({"spec": {"etcd": {"quota": "128Mi"}}}))?;
        is_written_to(&tenant, &cluster, "raised")
    })
}

/// Until it stays full: what was deleted before goes with the first compaction, and then there may be room in seconds.
fn fill(filler: &mut Filler, tenant: &Tenant) -> Outcome {
    for _ in 0..ROUNDS {
        filler.fill_until_refused(TOO_MANY)?;
        let is_noticed = tenant.await_condition("Ready", "False", NOTICED).is_ok();
        let is_full = || {
            let ready = tenant.condition("Ready")?;
            ensure(ready.status == "False", || format!("{ready:?}"))
        };
        if is_noticed && stays("it is full", HEALED, is_full).is_ok() {
            return Ok(());
        }
    }
    ensure(false, || format!("there was room again {ROUNDS} times"))
}

/// It says so, nothing is written, everything can be read, and nothing restarts.
fn is_full(tenant: &Tenant, cluster: &Kubectl) -> Outcome {
    let ready = tenant.await_condition("Ready", "False", NOTICED)?;
    ensure(ready.reason == "NoSpace", || format!("{ready:?}"))?;
    ensure_says(&ready.message, &["64 MiB", "delete", "raise spec.etcd.quota"])?;
    let etcd = tenant.condition("EtcdReady")?;
    ensure(etcd.reason == "NoSpace", || format!("{etcd:?}"))?;
    let refused = cluster.refusal(&["create", "configmap", "more", "--from-literal=a=b"])?;
    ensure_says(&refused, &["space exceeded"])?;
    stays("it can be read", READABLE, || {
        let word = cluster.get(&["configmap", "kept"])?["data"]["word"].take();
        ensure(word == "nagaya", || format!("what was written is {word}"))?;
        invariants::check(tenant.project)
    })
}

fn is_written_to(tenant: &Tenant, cluster: &Kubectl, name: &str) -> Outcome {
    wait_until("it is written to again", WRITABLE, || {
        let written = cluster.run(&["create", "configmap", name, "--from-literal=a=b"]);
        Ok(Look::done_if(written.is_ok(), || format!("{written:?}")))
    })?;
    tenant.settles(WRITABLE)
}
