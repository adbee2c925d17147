//! A deleted `TenantCluster` takes everything along, whoever has begun to clear away before.

use std::time::Duration;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::memory_api::{Fault, Id, Kind, MemoryApi, Verb};
use crate::stage::{PROJECT, Stage, spec, tenant_id};

const FINALIZER: &str = "nagaya.dev/control-plane";
const SOME_PASSES: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn everything_goes_and_the_finalizer_goes_last() {
    let stage = Stage::ready().await;
    let before = stage.writes().len();
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    assert_eq!(stage.planes.names_in(&Stage::plane()), []);
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
    let removed = stage.planes.removed();
    let namespace = removed.iter().position(|id| *id == plane_id()).unwrap();
    let tenant = removed.iter().position(|id| *id == tenant_id()).unwrap();
    assert!(namespace < tenant, "the finalizer went before the namespace: {removed:#?}");
    let writes = stage.writes().split_off(before);
    assert_eq!(writes[0], format!("Delete {}  200", plane_id()));
    assert_eq!(writes.last().unwrap(), &format!("MergePatch {}  200", tenant_id()));
    stage
        .until("what the project was given is gone", |stage| {
            stage.projects.get("Secret", PROJECT, "demo-kubeconfig").is_none()
        })
        .await;
}

/// They are the API server's to go through, and there are as many as tenants.
#[tokio::test(start_paused = true)]
async fn namespaces_are_listed_when_its_own_is_gone_and_not_with_each_step() {
    let stage = Stage::ready().await;
    let before = stage.planes.count_asked();
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    let asked = stage.planes.asked().split_off(before);
    let lists = asked.iter().filter(|one| one.verb == Verb::List && one.id.kind == "Namespace");
    assert_eq!(lists.count(), 1, "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_an_api_server_did_not_find_is_taken_off_all_the_same() {
    let clean = Stage::ready().await;
    let before = clean.writes().len();
    clean.projects.delete(&tenant_id());
    clean.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    let last = clean.writes().len() - before;
    let stage = Stage::ready().await;
    let before = stage.writes().len();
    stage.projects.plan_fault(last, Fault::Refused(404));
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    let patch = |code| format!("MergePatch {}  {code}", tenant_id());
    let writes = stage.writes().split_off(before);
    assert!(writes.contains(&patch(404)), "{writes:#?}");
    assert_eq!(writes.last(), Some(&patch(200)));
}

#[tokio::test(start_paused = true)]
async fn pods_are_ended_before_their_controllers() {
    let stage = Stage::ready().await;
    let before = stage.writes().len();
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    let writes = stage.writes().split_off(before);
    let first = |kind: &str| {
        let start = format!("Delete {kind} ");
        writes.iter().position(|write| write.starts_with(&start)).unwrap()
    };
    assert!(first("Pod") < first("Deployment"), "{writes:#?}");
    assert!(first("Pod") < first("StatefulSet"), "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn while_something_does_not_go_the_status_names_it() {
    let stage = Stage::ready().await;
    let pod = Id::new(Kind::named("Pod"), &Stage::plane(), "etcd-0");
    stage.planes.patch(&pod, &json!({"metadata": {"finalizers": ["example.com/slow"]}}));
    stage.projects.delete(&tenant_id());
    stage
        .until("a reason", |stage| stage.condition(conditions::READY)["reason"] == "Deleting")
        .await;
    stage
        .until("only the pod is left", |stage| {
            let message = stage.condition(conditions::READY)["message"].clone();
            message == format!("waiting for pods etcd-0 in {} to end", Stage::plane()).as_str()
        })
        .await;
    assert_eq!(finalizers(&stage), json!([FINALIZER]));
    stage.planes.patch(&pod, &json!({"metadata": {"finalizers": null}}));
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_plane_namespace_that_is_going_already_does_not_block() {
    let stage = Stage::ready().await;
    stage.planes.delete(&plane_id());
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
}

#[tokio::test(start_paused = true)]
async fn a_plane_namespace_that_is_gone_is_not_made_anew_and_does_not_block() {
    let stage = Stage::ready().await;
    stage.planes.delete(&plane_id());
    stage
        .until("the namespace is gone", |stage| {
            stage.planes.get("Namespace", "", &Stage::plane()).is_none()
        })
        .await;
    stage.settled().await;
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
    let stalled = stage.condition(conditions::STALLED);
    assert!(stalled["message"].as_str().unwrap().contains("was deleted by somebody"), "{stalled}");
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_retained_is_what_the_next_tenant_of_the_name_comes_back_with() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"deletionPolicy": "Retain"}}));
    let key = cluster_ca(&stage.planes);
    let endpoint = stage.tenant().unwrap()["status"]["endpoint"].clone();
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    let left = stage.planes.names_in(&Stage::plane());
    assert!(!left.iter().any(|id| ["Pod", "StatefulSet", "Deployment"].contains(&id.kind)));
    assert!(left.iter().any(|id| id.kind == "PersistentVolumeClaim"), "{left:#?}");
    let namespace = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    assert!(namespace["metadata"]["annotations"][labels::RETAINED].is_string());
    stage.create_tenant(&spec());
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.tenant().unwrap()["status"]["endpoint"], endpoint);
    assert_eq!(cluster_ca(&stage.planes), key);
}

/// A watch that is late still shows the etcd of before, which was well.
#[tokio::test(start_paused = true)]
async fn the_next_tenant_of_the_name_does_not_take_the_etcd_of_before_for_its_own() {
    let stage = Stage::ready().await;
    stage.planes.lag("StatefulSet", true);
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    stage.create_tenant(&spec());
    sleep(SOME_PASSES).await;
    let namespace = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    assert_eq!(namespace["metadata"]["annotations"][labels::BORN], Value::Null);
    stage.planes.lag("StatefulSet", false);
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}

fn plane_id() -> Id {
    Id::new(Kind::named("Namespace"), "", &Stage::plane())
}

fn cluster_ca(planes: &MemoryApi) -> Value {
    planes.get("Secret", &Stage::plane(), "cluster-ca-1").unwrap()["data"].clone()
}

fn finalizers(stage: &Stage) -> Value {
    stage.tenant().unwrap()["metadata"]["finalizers"].clone()
}
