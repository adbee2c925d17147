//! etcd is saved to a bucket with the credentials of the project, and a control plane that is gone comes back from it.

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::snapshots::make_one_due;
use crate::stage::{PROJECT, Stage, tenant_id};

const LOCATION: &str = "https://s3.example.com/etcd/fleet/acme/demo";

fn spec() -> Value {
    let bucket = json!({
        "endpoint": "https://s3.example.com", "bucket": "etcd", "prefix": "fleet",
        "secretName": "s3",
    });
    json!({"version": "v1.37.1", "snapshots": {"s3": bucket}})
}

fn give_credentials(stage: &Stage) {
    let data = json!({"accessKeyID": "aWQ=", "secretAccessKey": "c2VjcmV0", "else": "bm8="});
    stage.projects.create(&json!({
        "kind": "Secret", "metadata": {"name": "s3", "namespace": PROJECT}, "data": data,
    }));
}

async fn ready() -> Stage {
    let mut stage = Stage::new();
    stage.add_nodes();
    stage.create_tenant(&spec());
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage
}

fn newest(stage: &Stage) -> Value {
    let tenant = stage.tenant().unwrap_or_default();
    let all = tenant["status"]["snapshots"].as_array().cloned().unwrap_or_default();
    all.last().cloned().unwrap_or_default()
}

async fn saved(stage: &Stage) {
    stage.until("a snapshot", |stage| newest(stage)["location"] == LOCATION).await;
    stage.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_goes_to_the_bucket_and_the_status_says_where_it_is() {
    let stage = ready().await;
    give_credentials(&stage);
    make_one_due(&stage);
    saved(&stage).await;
    assert_eq!(stage.condition(conditions::SNAPSHOTS_READY)["status"], "True");
    assert_eq!(stage.planes.get("PersistentVolumeClaim", &Stage::plane(), "etcd-snapshots"), None);
    let copy = stage.planes.get("Secret", &Stage::plane(), "etcd-snapshot-s3").unwrap();
    assert_eq!(copy["data"], json!({"accessKeyID": "aWQ=", "secretAccessKey": "c2VjcmV0"}));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_it_says_so_and_once_the_failed_job_is_gone_they_are_tried() {
    let stage = ready().await;
    make_one_due(&stage);
    stage
        .until("a failure", |stage| {
            stage.condition(conditions::SNAPSHOTS_READY)["reason"] == "SnapshotFailed"
        })
        .await;
    let failed = stage.condition(conditions::SNAPSHOTS_READY);
    assert!(failed["message"].as_str().unwrap().contains("no access key"), "{failed}");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    give_credentials(&stage);
    let job = &stage.planes.all("Job", None)[0];
    let name = job["metadata"]["name"].as_str().unwrap();
    stage.planes.delete(&Id::new(Kind::named("Job"), &Stage::plane(), name));
    saved(&stage).await;
    assert_eq!(stage.condition(conditions::SNAPSHOTS_READY)["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_not_enabled_any_more_is_not_read_and_is_saved_all_the_same() {
    let stage = ready().await;
    give_credentials(&stage);
    make_one_due(&stage);
    saved(&stage).await;
    let first = newest(&stage)["name"].clone();
    let project = Id::new(Kind::named("Namespace"), "", PROJECT);
    stage.projects.patch(&project, &json!({"metadata": {"labels": {labels::PROJECT: null}}}));
    stage.settled().await;
    make_one_due(&stage);
    stage
        .until("another snapshot", |stage| {
            let newest = newest(stage);
            newest["location"] == LOCATION && newest["name"] != first
        })
        .await;
}

/// What `recovery.json` of the newest snapshot has: the Job's own part of it is the contents of the Secrets.
fn recovery(stage: &Stage, job: &Value) -> Vec<Value> {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let mut arguments = container["args"].as_array().unwrap().iter().filter_map(Value::as_str);
    let list = arguments.find_map(|one| one.strip_prefix("--recovery=")).unwrap();
    let list: Value = serde_json::from_str(&list.replace("$$", "$")).unwrap();
    let mut items = list["items"].as_array().unwrap().clone();
    for item in &mut items[1..] {
        let name = item["metadata"]["name"].as_str().unwrap();
        let live = stage.planes.get("Secret", &Stage::plane(), name).unwrap();
        item["data"] = live["data"].clone();
    }
    items
}

/// What somebody has who lost a control plane: the items of its snapshot's `recovery.json`, created again, and the
/// endpoint that nodes know.
pub async fn lost() -> (Stage, String) {
    let stage = ready().await;
    give_credentials(&stage);
    make_one_due(&stage);
    stage.until("a Job", |stage| !stage.planes.all("Job", None).is_empty()).await;
    let mut items = recovery(&stage, &stage.planes.all("Job", None)[0]);
    saved(&stage).await;
    let endpoint = stage.tenant().unwrap()["status"]["endpoint"].as_str().unwrap().to_owned();
    items[0]["metadata"]["annotations"][labels::SNAPSHOTS] =
        json!([newest(&stage)]).to_string().into();
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
    for item in &items {
        stage.planes.create(item);
    }
    (stage, endpoint)
}

/// Its owner asks for it again.
pub fn recover(stage: &Stage) {
    let listed: Value = serde_json::from_str(&recorded(stage, labels::SNAPSHOTS)).unwrap();
    let mut spec = spec();
    spec["restoreFrom"] = json!({"snapshot": listed[0]["name"]});
    stage.create_tenant(&spec);
}

fn recorded(stage: &Stage, key: &str) -> String {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    plane["metadata"]["annotations"][key].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_plane_whose_namespace_is_gone_comes_back_with_its_keys_and_its_endpoint() {
    let (stage, endpoint) = lost().await;
    let authority =
        || stage.planes.get("Secret", &Stage::plane(), "cluster-ca-1").unwrap()["data"].clone();
    let before = authority();
    recover(&stage);
    stage
        .until("the Job that restores", |stage| {
            stage.planes.made().iter().any(|id| id.name.starts_with("etcd-restore-"))
        })
        .await;
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.tenant().unwrap()["status"]["endpoint"], *endpoint);
    assert_eq!(authority(), before);
    let snapshot = newest(&stage)["name"].clone();
    assert_eq!(snapshot, *recorded(&stage, labels::RESTORED_FROM));
}
