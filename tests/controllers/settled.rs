//! A control plane that is as it should be costs no write, and what is not is put right.

use std::time::Duration;

use nagaya_api::conditions;
use serde_json::json;

use crate::memory_api::{Id, Kind, Verb};
use crate::stage::{PROJECT, Stage, spec, tenant_id};

const NOTHING: [String; 0] = [];

#[tokio::test(start_paused = true)]
async fn a_pass_that_finds_everything_as_it_should_be_writes_nothing() {
    let stage = Stage::ready().await;
    assert_eq!(written_after_a_touch(&stage).await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_has_just_started_writes_nothing_into_what_its_predecessor_left() {
    let mut stage = Stage::ready().await;
    stage.kill_manager();
    let writes = stage.management_writes().len();
    stage.start_manager();
    stage.settled().await;
    assert!(stage.passes() > 0, "nothing was looked at");
    assert_eq!(stage.management_writes()[writes..], NOTHING);
}

#[tokio::test(start_paused = true)]
async fn nor_into_one_that_does_not_answer() {
    let mut stage = Stage::ready().await;
    stage.silence(0);
    let is_silent = |stage: &Stage| stage.condition(conditions::READY)["status"] == "False";
    stage.until("it is not ready", is_silent).await;
    stage.settled().await;
    stage.kill_manager();
    let (tenant, writes) = (stage.tenant(), stage.management_writes().len());
    stage.start_manager();
    stage.settled().await;
    assert!(stage.passes() > 0, "nothing was looked at");
    assert_eq!(stage.management_writes()[writes..], NOTHING);
    assert_eq!(stage.tenant(), tenant);
}

#[tokio::test(start_paused = true)]
async fn planes_in_a_cluster_of_their_own_cost_no_writes_either() {
    let mut stage = Stage::with_two_clusters();
    stage.add_nodes();
    stage.create_tenant(&spec());
    stage.settled().await;
    assert!(stage.projects.get("Namespace", "", &Stage::plane()).is_none());
    assert_eq!(written_after_a_touch(&stage).await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_change_of_a_field_that_we_own_is_undone_with_one_write() {
    let stage = Stage::ready().await;
    let before = stage.writes();
    let id = Id::new(Kind::named("StatefulSet"), &Stage::plane(), "kube-scheduler");
    stage.planes.patch(&id, &json!({"spec": {"revisionHistoryLimit": 7}}));
    stage.settled().await;
    let live = stage.planes.get("StatefulSet", &Stage::plane(), "kube-scheduler").unwrap();
    assert_eq!(live["spec"]["revisionHistoryLimit"], 2);
    let undone = format!("Apply StatefulSet {}/kube-scheduler  200", Stage::plane());
    let writes = stage.writes().split_off(before.len());
    let of_objects: Vec<&String> = writes.iter().filter(|one| !one.contains(" status ")).collect();
    assert_eq!(of_objects, [&undone]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_somebody_deleted_is_there_again_within_five_minutes() {
    let stage = Stage::ready().await;
    let secret = Id::new(Kind::named("Secret"), &Stage::plane(), "kube-apiserver-certs");
    let handed_out = Id::new(Kind::named("Secret"), PROJECT, "demo-kubeconfig");
    for id in [&secret, &handed_out] {
        stage.planes.delete(id);
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(stage.planes.get("Secret", &Stage::plane(), "kube-apiserver-certs").is_some());
    assert!(stage.planes.get("Secret", PROJECT, "demo-kubeconfig").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_certificate_depends_on_reads_no_secret_and_opens_no_watch_anew() {
    let stage = Stage::ready().await;
    let before = [stage.planes.count_asked(), stage.inside.count_asked()];
    stage.projects.patch(&tenant_id(), &json!({"spec": {"kubelet": {"maxPods": 50}}}));
    let is_written = |stage: &Stage| {
        let config = stage.inside.get("ConfigMap", "kube-system", "kubelet-config");
        config.unwrap_or_default()["data"]["kubelet"].to_string().contains("maxPods: 50")
    };
    stage.until("it is written into the tenant", is_written).await;
    let [of_planes, of_inside] = [(&stage.planes, before[0]), (&stage.inside, before[1])]
        .map(|(api, before)| api.asked().split_off(before));
    let secrets = of_planes.iter().filter(|asked| asked.id.kind == "Secret");
    let watches = of_inside.iter().filter(|asked| asked.verb == Verb::Watch);
    let told: Vec<String> = secrets.chain(watches).map(ToString::to_string).collect();
    assert_eq!(told, NOTHING);
}

/// What is written after somebody has changed the tenant in a way that means nothing.
async fn written_after_a_touch(stage: &Stage) -> Vec<String> {
    let (passes, writes) = (stage.passes(), stage.writes());
    let events = stage.projects.all("Event", None);
    stage.touch();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(stage.passes() > passes, "nothing was looked at");
    assert_eq!(stage.projects.all("Event", None), events);
    stage.writes().split_off(writes.len())
}
