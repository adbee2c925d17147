//! What tools that wait for objects make of ours: kstatus (Flux, Helm 4, `kubectl` plug-ins) and Argo CD.
//! Each object is one that the controllers have written.

mod argo;
mod kstatus;

use std::sync::Arc;
use std::time::Duration;

use argo::argo_health;
use kstatus::kstatus;
use nagaya_api::conditions;
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage, TENANT, spec, tenant_id};

/// What both say of an object.
fn seen(object: &Value) -> (&'static str, String) {
    (kstatus(object), argo_health(object))
}

fn says(kstatus: &'static str, argo: &str) -> (&'static str, String) {
    (kstatus, argo.to_owned())
}

fn tenant(stage: &Stage) -> Value {
    let mut tenant = stage.tenant().unwrap().as_ref().clone();
    tenant["kind"] = json!("TenantCluster");
    tenant
}

fn token(stage: &Stage) -> Arc<Value> {
    stage.projects.get("JoinToken", PROJECT, "vms").unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_object_that_nobody_has_looked_at_is_waited_for() {
    for status in [json!({"observedGeneration": -1}), json!({"observedGeneration": 1})] {
        let new = json!({
            "kind": "TenantCluster", "metadata": {"name": "demo", "generation": 2},
            "spec": spec(), "status": status,
        });
        let waits = says("InProgress", "Progressing: waits for Nagaya to look at it");
        assert_eq!(seen(&new), waits);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_made_is_waited_for_and_one_that_is_ready_is_not() {
    let mut stage = Stage::new();
    stage.create_tenant(&spec());
    stage
        .until("a plane that waits for nodes", |stage| {
            stage.condition(conditions::ETCD_READY)["reason"] == "NotReady"
        })
        .await;
    let expected = says("InProgress", "Progressing: Progressing: waiting for etcd");
    assert_eq!(seen(&tenant(&stage)), expected);
    stage.add_nodes();
    stage.settled().await;
    let expected = "Healthy: Joinable: a stock kubeadm join would succeed now";
    assert_eq!(seen(&tenant(&stage)), says("Current", expected));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_waited_for_from_the_moment_it_is_made() {
    let stage = upgradable().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": "v1.37.1"}}));
    let expected = says("InProgress", "Progressing: waits for Nagaya to look at it");
    assert_eq!(seen(&tenant(&stage)), expected);
    let is_upgrading =
        |stage: &Stage| stage.condition(conditions::RECONCILING)["reason"] == "Upgrading";
    stage.until("the upgrade is under way", is_upgrading).await;
    let (kstatus, argo) = seen(&tenant(&stage));
    assert_eq!(kstatus, "InProgress");
    assert!(argo.starts_with("Progressing: Upgrading: from v1.36.3 to v1.37.1"), "{argo}");
    stage.settled().await;
    assert_eq!(seen(&tenant(&stage)).0, "Current");
}

async fn upgradable() -> Stage {
    let mut stage = Stage::new();
    stage.add_nodes();
    stage.create_tenant(&json!({"version": "v1.36.3"}));
    stage.settled().await;
    assert_eq!(seen(&tenant(&stage)).0, "Current");
    stage
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_fails_and_so_does_a_plane_that_somebody_deleted() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": "v1.35.4"}}));
    stage.settled().await;
    let (kstatus, argo) = seen(&tenant(&stage));
    assert_eq!(kstatus, "Failed");
    assert!(argo.starts_with("Degraded: Refused: spec.version: "), "{argo}");
    stage.projects.patch(&tenant_id(), &json!({"spec": spec()}));
    stage.settled().await;
    assert_eq!(seen(&tenant(&stage)).0, "Current");
    stage.planes.delete(&Id::new(Kind::named("Namespace"), "", &Stage::plane()));
    stage.until("a loss", |stage| stage.condition(conditions::STALLED) != Value::Null).await;
    assert_eq!(seen(&tenant(&stage)).0, "Failed");
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_is_current_and_suspended() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true}}));
    stage.settled().await;
    let expected = "Suspended: nothing is applied while spec.paused is true";
    assert_eq!(seen(&tenant(&stage)), says("Current", expected));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_deleted_is_terminating_until_it_is_gone() {
    let stage = Stage::ready().await;
    let pod = Id::new(Kind::named("Pod"), &Stage::plane(), "etcd-0");
    stage.planes.patch(&pod, &json!({"metadata": {"finalizers": ["example.com/slow"]}}));
    stage.projects.delete(&tenant_id());
    stage
        .until("a reason", |stage| stage.condition(conditions::READY)["reason"] == "Deleting")
        .await;
    assert_eq!(seen(&tenant(&stage)), says("Terminating", "Progressing: is being deleted"));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_waited_for_until_it_is_issued() {
    let mut stage = Stage::new();
    stage.create_join_token("vms");
    stage.until("an answer", |stage| token(stage)["status"]["state"] == "Pending").await;
    let (kstatus, argo) = seen(&token(&stage));
    assert_eq!(kstatus, "InProgress");
    assert!(argo.starts_with("Progressing: NoCluster: "), "{argo}");
    stage.add_nodes();
    stage.create_tenant(&spec());
    stage.until("it is issued", |stage| token(stage)["status"]["state"] == "Issued").await;
    let expected = says("Current", "Healthy: Issued: nodes can join with it");
    assert_eq!(seen(&token(&stage)), expected);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_life_is_over_is_waited_for_by_nobody() {
    let stage = Stage::ready().await;
    let ended = json!({
        "kind": "JoinToken", "metadata": {"name": "vms", "namespace": PROJECT},
        "spec": {"clusterName": TENANT, "ttl": "1s"},
    });
    stage.projects.create(&ended).unwrap();
    // Its end is one of the wall clock, which minutes of virtual time may not reach.
    std::thread::sleep(Duration::from_secs(2));
    stage.until("its end", |stage| token(stage)["status"]["state"] == "Expired").await;
    let (kstatus, argo) = seen(&token(&stage));
    assert_eq!(kstatus, "Current");
    assert!(argo.starts_with("Suspended: Expired: "), "{argo}");
}
