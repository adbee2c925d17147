//! What blocks a plane is the reason of its conditions, told once, and gone with its cause.

use std::sync::Arc;
use std::time::Duration;

use nagaya_api::conditions;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage, spec};

#[tokio::test(start_paused = true)]
async fn a_refused_pod_is_told_once_however_often_it_is_refused_and_is_gone_when_it_is_made() {
    let stage = Stage::new();
    stage.create_tenant(&spec());
    stage.until("etcd is made", |stage| etcd(stage, "NotReady")).await;
    let refused =
        |used: u32| format!("pods \"etcd-0\" is forbidden: exceeded quota: q, used: pods={used}");
    stage.planes.create(&event("FailedCreate", &refused(7))).unwrap();
    stage.until("the quota is named", |stage| etcd(stage, "QuotaExceeded")).await;
    let words = stage.condition(conditions::ETCD_READY)["message"].as_str().unwrap().to_owned();
    for part in
        ["Pod etcd-0 cannot be made: exceeded quota: q", "raise or remove the ResourceQuota"]
    {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    stage.until("Ready says it", |stage| reason(stage, conditions::READY) == "QuotaExceeded").await;
    assert_eq!(reason(&stage, conditions::RECONCILING), "QuotaExceeded");
    let id = Id::new(Kind::named("Event"), &Stage::plane(), "etcd.failedcreate");
    for used in 8..12 {
        stage.planes.patch(&id, &json!({"note": note(&refused(used))}));
        sleep(Duration::from_secs(6)).await;
    }
    assert!(stage.condition(conditions::ETCD_READY).to_string().contains("pods=11"));
    assert_eq!(told(&stage, "QuotaExceeded"), 1);
    let made = json!({"note": "create Pod etcd-0 in StatefulSet etcd successful", "reason": "SuccessfulCreate"});
    stage.planes.patch(&id, &made);
    stage.until("nothing blocks", |stage| etcd(stage, "NotReady")).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_class_that_does_not_exist_names_the_class_until_it_does() {
    let stage = Stage::new();
    let storage = json!({"version": "v1.37.1", "etcd": {"storage": {"className": "fast"}}});
    stage.create_tenant(&storage);
    stage.until("etcd is made", |stage| etcd(stage, "NotReady")).await;
    let labels = json!({"app.kubernetes.io/name": "etcd"});
    let claim = json!({
        "kind": "PersistentVolumeClaim", "spec": {"storageClassName": "fast"},
        "metadata": {"name": "data-etcd-0", "namespace": Stage::plane(), "labels": labels},
    });
    stage.planes.create(&claim).unwrap();
    let id = Id::new(Kind::named("PersistentVolumeClaim"), &Stage::plane(), "data-etcd-0");
    stage.planes.patch_status(&id, &json!({"phase": "Pending"}));
    stage.until("the class is named", |stage| etcd(stage, "NoStorageClass")).await;
    let class = json!({
        "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": "example.com/fast",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    stage.planes.create(&class).unwrap();
    stage.until("nothing blocks", |stage| etcd(stage, "NotReady")).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_of_another_service_is_named_until_it_is_free() {
    let mut stage = Stage::new();
    stage.add_nodes();
    let holder = json!({
        "kind": "Service", "metadata": {"name": "holder", "namespace": PROJECT},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 31234}]},
    });
    stage.planes.create(&holder).unwrap();
    let port = json!({"version": "v1.37.1", "expose": {"nodePort": {"port": 31234}}});
    stage.create_tenant(&port);
    stage.until("it is named", |stage| reason(stage, conditions::READY) == "PortTaken").await;
    assert!(stage.condition(conditions::READY).to_string().contains("node port 31234"));
    stage.planes.delete(&Id::new(Kind::named("Service"), PROJECT, "holder"));
    stage.until("it is Ready", |stage| reason(stage, conditions::READY) == "Joinable").await;
}

fn reason(stage: &Stage, kind: &str) -> Value {
    stage.condition(kind)["reason"].clone()
}

fn etcd(stage: &Stage, reason: &str) -> bool {
    stage.condition(conditions::ETCD_READY)["reason"] == reason
}

fn note(words: &str) -> String {
    format!("create Pod etcd-0 in StatefulSet etcd failed error: {words}")
}

fn event(reason: &str, words: &str) -> Value {
    json!({
        "kind": "Event", "reason": reason, "note": note(words), "eventTime": null, "type": "Warning",
        "metadata": {"name": format!("etcd.{}", reason.to_lowercase()), "namespace": Stage::plane()},
        "regarding": {"kind": "StatefulSet", "name": "etcd"},
    })
}

/// Events about the tenant with a reason.
fn told(stage: &Stage, reason: &str) -> usize {
    let events = stage.projects.all("Event", None);
    let about_tenant = |event: &&Arc<Value>| event["regarding"]["kind"] == "TenantCluster";
    events.iter().filter(about_tenant).filter(|event| event["reason"] == reason).count()
}
