//! A tenant is saved to an S3 server, goes back to a snapshot in it, and comes back from it when nothing of its control
//! plane is left.

use std::time::Duration;

use e2e::ring::kubectl::{each, text};
use e2e::ring::s3_server::{S3Server, SECRET_KEY};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Kubectl, Machine, Outcome, Tenant, ensure, scenario};
use serde_json::json;

const NODE_READY: Duration = Duration::from_mins(1);
/// The schedule's shortest interval and a Job, twice.
const SNAPSHOT: Duration = Duration::from_mins(5);
/// A snapshot, everything ends, a Job, everything starts.
const RESTORE: Duration = Duration::from_mins(5);
const GONE: Duration = Duration::from_mins(1);
/// kubelet tries again every 10 s, and its node is Ready with the next status after that.
const NODE_RETURNS: Duration = Duration::from_mins(2);
const PORT: u16 = 7480;
const SECRET: &str = "s3";

#[test]
fn a_tenant_goes_back_to_what_is_in_a_bucket_and_comes_back_from_it_when_all_else_is_gone()
-> Outcome {
    scenario("snapshots-s3", |project| {
        let server = S3Server::start("snapshots-s3", PORT)?;
        let management = &project.management;
        let give = |key: &str| management.apply(&server.credentials(&project.name, SECRET, key)?);
        give("wrong")?;
        let mut spec = spec_for_namespaces("1.37");
        spec["snapshots"] = json!({"schedule": "1m", "keep": 3, "s3": server.field(SECRET)});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-snapshots-s3", "1.37")?;
        let joining = tenant.token("nodes", "1h")?.secret()?;
        machine.join(&joining)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        cluster.run(&["create", "configmap", "before", "--from-literal=word=nagaya"])?;

        refused_credentials_are_named(&tenant)?;
        give(SECRET_KEY)?;
        // Else it is looked at for ten minutes.
        management.run(&["delete", "jobs", "--all", "-n", &tenant.plane()?])?;
        let snapshot = tenant.next_snapshot(SNAPSHOT)?;
        is_in_the_bucket(&tenant, &server, &snapshot)?;
        spec["snapshots"]["schedule"] = json!("6h");
        tenant.apply(&spec)?;
        cluster.run(&["create", "configmap", "after", "--from-literal=word=nagaya"])?;

        spec["restoreFrom"] = json!({"snapshot": snapshot});
        tenant.apply(&spec)?;
        is_restored(&tenant, &snapshot)?;
        is_back(&cluster)?;
        machine.await_ready(&cluster, NODE_RETURNS)?;
        no_claim_is_made(&tenant)?;

        tenant.delete()?;
        tenant.await_gone(GONE)?;
        let recovery = server.object(&project.name, "demo", &snapshot, "recovery.json");
        management.run(&["create", "-f", &recovery.display().to_string()])?;
        tenant.apply(&spec)?;
        is_restored(&tenant, &snapshot)?;
        let cluster = tenant.admin()?;
        is_back(&cluster)?;
        let again = tenant.token("again", "1h")?.secret()?;
        ensure(again.endpoint == joining.endpoint, || format!("endpoint {}", again.endpoint))?;
        ensure(again.ca_cert_hash == joining.ca_cert_hash, || "another CA was made".to_owned())?;
        machine.await_ready(&cluster, NODE_RETURNS)
    })
}

fn refused_credentials_are_named(tenant: &Tenant) -> Outcome {
    let failed = tenant.await_condition("SnapshotsReady", "False", SNAPSHOT)?;
    let says = "secretAccessKey of Secret ring-snapshots-s3/s3 (spec.snapshots.s3.secretName)";
    ensure(failed.message.contains(says), || failed.message.clone())
}

fn is_in_the_bucket(tenant: &Tenant, server: &S3Server, snapshot: &str) -> Outcome {
    let listed = tenant.status("/snapshots")?;
    let there = format!("{}/", server.endpoint());
    let found = each(&listed, "").find(|one| text(one, "/name") == snapshot);
    let location = found.map(|one| text(one, "/location")).unwrap_or_default();
    ensure(location.starts_with(&there), || format!("{snapshot} is at {location:?}"))
}

fn is_restored(tenant: &Tenant, snapshot: &str) -> Outcome {
    tenant.await_restored(snapshot, RESTORE)?;
    tenant.await_condition("EtcdReady", "True", RESTORE)?;
    tenant.await_condition("APIServerReady", "True", RESTORE)?;
    tenant.await_ready()
}

/// What was saved is there, what was written since is not.
fn is_back(cluster: &Kubectl) -> Outcome {
    let word = cluster.get(&["configmap", "before"])?["data"]["word"].take();
    ensure(word == "nagaya", || format!("what was saved is {word}"))?;
    let after = cluster.find(&["configmap", "after"])?;
    ensure(after.is_none(), || "what was written after the snapshot is there".to_owned())
}

fn no_claim_is_made(tenant: &Tenant) -> Outcome {
    let (management, plane) = (&tenant.project.management, tenant.plane()?);
    let claim = management.find(&["persistentvolumeclaim", "-n", &plane, "etcd-snapshots"])?;
    ensure(claim.is_none(), || "a volume was made for snapshots that go to a bucket".to_owned())
}
