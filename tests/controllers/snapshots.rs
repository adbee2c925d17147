//! etcd is saved when it is time, before an upgrade, and before it goes back to what it was.

use std::sync::Arc;
use std::time::Duration;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

const OLD: &str = "v1.36.3";
const NEW: &str = "v1.37.1";

async fn ready() -> Stage {
    let mut stage = Stage::new();
    stage.add_nodes();
    stage.create_tenant(&json!({"version": OLD}));
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage
}

/// As if the last snapshot had been taken long ago.
pub fn make_one_due(stage: &Stage) {
    // It is called by the second of the wall clock, which virtual time does not move.
    std::thread::sleep(Duration::from_millis(1100));
    let old = json!([{
        "name": "old", "time": "2020-01-01T00:00:00Z", "sizeBytes": 4128, "version": OLD,
        "reason": "scheduled",
    }]);
    let record = json!({"metadata": {"annotations": {labels::SNAPSHOTS: old.to_string()}}});
    stage.planes.patch(&Id::new(Kind::named("Namespace"), "", &Stage::plane()), &record);
}

fn snapshots(stage: &Stage) -> Vec<Value> {
    stage.tenant().unwrap()["status"]["snapshots"].as_array().cloned().unwrap_or_default()
}

fn reasons(stage: &Stage) -> Vec<String> {
    snapshots(stage).iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
}

fn jobs(stage: &Stage) -> Vec<Arc<Value>> {
    stage.planes.all("Job", Some(&Stage::plane()))
}

fn jobs_made(stage: &Stage, start: &str) -> usize {
    stage.planes.made().iter().filter(|id| id.kind == "Job" && id.name.starts_with(start)).count()
}

fn replicas(stage: &Stage, kind: &str, name: &str) -> Value {
    stage.planes.get(kind, &Stage::plane(), name).unwrap()["spec"]["replicas"].clone()
}

fn is_stopped(stage: &Stage) -> bool {
    let sets = ["etcd", "kube-controller-manager", "kube-scheduler"];
    sets.iter().all(|name| replicas(stage, "StatefulSet", name) == 0)
        && replicas(stage, "Deployment", "kube-apiserver") == 0
}

fn restored_from(stage: &Stage) -> Value {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    plane["metadata"]["annotations"][labels::RESTORED_FROM].clone()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_saved_before_it_is_time() {
    let stage = ready().await;
    assert_eq!(jobs_made(&stage, ""), 0);
    assert_eq!(stage.planes.get("PersistentVolumeClaim", &Stage::plane(), "etcd-snapshots"), None);
    assert_eq!(stage.condition(conditions::SNAPSHOTS_READY), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_due_is_taken_once_and_listed() {
    let stage = ready().await;
    make_one_due(&stage);
    stage
        .until("a snapshot", |stage| {
            reasons(stage) == ["scheduled"] && snapshots(stage)[0]["name"] != "old"
        })
        .await;
    stage.settled().await;
    assert_eq!(jobs_made(&stage, "etcd-snapshot-"), 1);
    assert_eq!(jobs(&stage), [] as [Arc<Value>; 0]);
    assert_eq!(snapshots(&stage)[0]["version"], OLD);
    assert_eq!(stage.condition(conditions::SNAPSHOTS_READY)["status"], "True");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_schedule_takes_none_and_holds_up_no_upgrade() {
    let stage = ready().await;
    let change = json!({"spec": {"snapshots": {"suspend": true}}});
    stage.projects.patch(&tenant_id(), &change);
    make_one_due(&stage);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage.settled().await;
    assert_eq!(jobs_made(&stage, ""), 0);
    assert_eq!(stage.tenant().unwrap()["status"]["version"], NEW);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_begins_after_a_snapshot() {
    let stage = ready().await;
    let before = stage.writes().len();
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage.settled().await;
    assert_eq!(stage.tenant().unwrap()["status"]["version"], NEW);
    assert_eq!(reasons(&stage), [format!("before the upgrade to {NEW}")]);
    assert_eq!(snapshots(&stage)[0]["version"], OLD);
    let writes = stage.writes().split_off(before);
    let first = |what: &str| writes.iter().position(|write| write.contains(what)).unwrap();
    let (job, upgrade) = (first("Create Job "), first("Deployment "));
    let recorded = writes[job..upgrade].iter().any(|write| write.contains("Apply Namespace "));
    assert!(recorded, "the upgrade began before the snapshot was there: {writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_while_one_is_taken_is_taken_over_from() {
    let mut stage = ready().await;
    make_one_due(&stage);
    stage.until("a Job", |stage| !jobs(stage).is_empty()).await;
    stage.kill_manager();
    stage.start_manager();
    stage.settled().await;
    assert_eq!(jobs_made(&stage, "etcd-snapshot-"), 1);
    assert_eq!(snapshots(&stage).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restore_saves_stops_fills_and_starts_and_happens_once() {
    let stage = ready().await;
    make_one_due(&stage);
    stage.settled().await;
    let name = snapshots(&stage)[0]["name"].clone();
    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": {"snapshot": name}}}));
    stage.until("the Job that restores", |stage| jobs_made(stage, "etcd-restore-") == 1).await;
    assert!(is_stopped(&stage));
    let running = stage.planes.all("Pod", Some(&Stage::plane()));
    assert!(running.iter().all(|pod| pod["metadata"]["name"] != "etcd-0"), "{running:#?}");
    assert_eq!(stage.condition(conditions::READY)["reason"], "Restoring");
    assert_eq!(stage.condition(conditions::RECONCILING)["reason"], "Restoring");
    stage.settled().await;
    assert_eq!(restored_from(&stage), name);
    assert_eq!(
        reasons(&stage),
        ["scheduled".to_owned(), format!("before the restore of {}", name.as_str().unwrap())]
    );
    assert_eq!(jobs(&stage), [] as [Arc<Value>; 0]);
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
    stage.touch();
    stage.settled().await;
    assert_eq!(jobs_made(&stage, "etcd-restore-"), 1);

    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": null}}));
    stage.settled().await;
    assert_eq!(restored_from(&stage), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_during_a_restore_is_taken_over_from() {
    type Moment = fn(&Stage) -> bool;
    let moments: [(&str, Moment); 4] = [
        ("what is there is saved", |stage| jobs_made(stage, "etcd-snapshot-") == 2),
        ("all is stopped", is_stopped),
        ("etcd is filled", |stage| jobs_made(stage, "etcd-restore-") == 1),
        ("it is on record", |stage| restored_from(stage) != Value::Null),
    ];
    for (what, moment) in moments {
        let mut stage = ready().await;
        make_one_due(&stage);
        stage.settled().await;
        let name = snapshots(&stage)[0]["name"].clone();
        stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": {"snapshot": name}}}));
        stage.until(what, moment).await;
        stage.kill_manager();
        stage.start_manager();
        stage.settled().await;
        assert_eq!(restored_from(&stage), name, "{what}");
        assert_eq!(jobs_made(&stage, "etcd-restore-"), 1, "{what}");
        assert_eq!(stage.condition(conditions::READY)["status"], "True", "{what}");
        assert_eq!(jobs(&stage), [] as [Arc<Value>; 0], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_happens_once_though_the_manager_does_not_see_yet_what_it_has_recorded() {
    let stage = ready().await;
    make_one_due(&stage);
    stage.settled().await;
    let name = snapshots(&stage)[0]["name"].clone();
    stage.planes.lag("Namespace", true);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": {"snapshot": name}}}));
    stage.until("it is on record", |stage| restored_from(stage) == name).await;
    sleep(Duration::from_secs(30)).await;
    // Another record is due, on top of one that it does not see.
    let change = json!({"spec": {"expose": {"extraNames": ["api.example.com"]}}});
    stage.projects.patch(&tenant_id(), &change);
    sleep(Duration::from_secs(30)).await;
    assert_eq!((jobs_made(&stage, "etcd-restore-"), restored_from(&stage)), (1, name.clone()));
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage.planes.lag("Namespace", false);
    stage.settled().await;
    assert_eq!((jobs_made(&stage, "etcd-restore-"), restored_from(&stage)), (1, name));
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_is_taken_back_brings_everything_back_as_it_was() {
    let stage = ready().await;
    make_one_due(&stage);
    stage.settled().await;
    let name = snapshots(&stage)[0]["name"].clone();
    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": {"snapshot": name}}}));
    stage.until("all is stopped", is_stopped).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": null}}));
    stage.settled().await;
    assert_eq!(restored_from(&stage), Value::Null);
    assert_eq!(jobs(&stage), [] as [Arc<Value>; 0]);
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_there_is_refused_and_nothing_stops() {
    let stage = ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"restoreFrom": {"snapshot": "none"}}}));
    stage.settled().await;
    let stalled = stage.condition(conditions::STALLED);
    assert!(stalled["message"].as_str().unwrap().contains("no snapshot none"), "{stalled}");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert!(!is_stopped(&stage));
}
