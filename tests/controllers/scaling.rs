//! Members of etcd come and go while the tenant runs, whatever happens to the manager meanwhile.

use std::sync::Arc;
use std::time::Duration;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::memory_api::{Asked, Id, Kind, Verb};
use crate::stage::{Stage, tenant_id};

fn ask_for(stage: &Stage, members: u8) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"etcd": {"replicas": members}}}));
}

fn in_plane(stage: &Stage, kind: &str, name: &str) -> Arc<Value> {
    stage.planes.get(kind, &Stage::plane(), name).unwrap_or_default()
}

/// Of members; that of their snapshots stays.
fn claims(stage: &Stage) -> Vec<String> {
    let claims = stage.planes.all("PersistentVolumeClaim", Some(&Stage::plane()));
    let names = claims.iter().map(|claim| claim["metadata"]["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("data-")).collect()
}

fn etcd_servers(stage: &Stage) -> usize {
    let api_server = in_plane(stage, "Deployment", "kube-apiserver");
    let command = &api_server["spec"]["template"]["spec"]["containers"][0]["command"];
    let mut flags = command.as_array().unwrap().iter().filter_map(Value::as_str);
    flags.find_map(|flag| flag.strip_prefix("--etcd-servers=")).unwrap().split(',').count()
}

/// Etcd, its pods, their volumes and kube-apiserver agree.
fn assert_has(stage: &Stage, members: u8) {
    let ordinals: Vec<u8> = (0..members).collect();
    assert_eq!(stage.etcds.members(&Stage::plane()), ordinals);
    assert_eq!(in_plane(stage, "StatefulSet", "etcd")["spec"]["replicas"], members);
    let expected: Vec<String> = ordinals.iter().map(|n| format!("data-etcd-{n}")).collect();
    assert_eq!(claims(stage), expected);
    assert_eq!(etcd_servers(stage), usize::from(members));
    let told = in_plane(stage, "ConfigMap", "etcd-state");
    assert_eq!(told["data"]["NAGAYA_ETCD_JOINING"], "");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn etcd_has_the_members_that_the_spec_asks_for_in_both_directions() {
    let stage = Stage::ready().await;
    for members in [3, 5, 3, 1] {
        ask_for(&stage, members);
        stage.settled().await;
        assert_has(&stage, members);
    }
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_at_any_moment_changes_nothing_about_the_end() {
    let mut stage = Stage::ready().await;
    for moment in 0..8 {
        for members in [3, 1] {
            ask_for(&stage, members);
            sleep(Duration::from_millis(500) * moment).await;
            stage.kill_manager();
            stage.start_manager();
            stage.settled().await;
            assert_has(&stage, members);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_reverted_half_way_ends_as_if_nothing_had_been_asked() {
    let stage = Stage::ready().await;
    for half_way in [1, 2] {
        ask_for(&stage, 5);
        let there = |stage: &Stage| stage.etcds.members(&Stage::plane()).len() > half_way;
        stage.until("a member that joins", there).await;
        ask_for(&stage, 1);
        stage.settled().await;
        assert_has(&stage, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_let_go_of_only_when_nothing_asks_for_its_pod_any_more() {
    let stage = Stage::ready().await;
    ask_for(&stage, 3);
    stage.settled().await;
    let before = stage.planes.count_asked();
    ask_for(&stage, 1);
    stage.settled().await;
    assert_has(&stage, 1);
    let asked = stage.planes.asked().split_off(before);
    let shrinks = asked.iter().position(|one| {
        one.id.kind == "StatefulSet" && one.is_write() && one.body["spec"]["replicas"] == 1
    });
    let is_release =
        |one: &Asked| one.id.kind == "PersistentVolumeClaim" && one.verb == Verb::Delete;
    let releases = asked.iter().position(is_release);
    assert!(shrinks.is_some() && shrinks < releases, "{shrinks:?} {releases:?}");
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_cannot_be_let_go_of_is_told_of_and_keeps_nothing_else_from_being_done() {
    let stage = Stage::ready().await;
    ask_for(&stage, 3);
    stage.settled().await;
    stage.planes.forbid("PersistentVolumeClaim");
    ask_for(&stage, 1);
    let told = |stage: &Stage| {
        stage.condition(conditions::RECONCILING).to_string().contains("persistentvolumeclaims")
    };
    stage.until("it is told of", told).await;
    let id = Id::new(Kind::named("Deployment"), &Stage::plane(), "kube-apiserver");
    stage.planes.delete(&id);
    let is_back = |stage: &Stage| in_plane(stage, id.kind, &id.name).is_object();
    stage.until("kube-apiserver is back", is_back).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_keeps_its_members() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true, "etcd": {"replicas": 3}}}));
    stage.settled().await;
    assert_eq!(stage.etcds.members(&Stage::plane()), [0]);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": false}}));
    stage.settled().await;
    assert_has(&stage, 3);
}

#[tokio::test(start_paused = true)]
async fn kube_apiserver_lets_go_of_members_before_they_leave() {
    let stage = Stage::ready().await;
    ask_for(&stage, 3);
    stage.settled().await;
    ask_for(&stage, 1);
    let let_go = |stage: &Stage| {
        let api_server = in_plane(stage, "Deployment", "kube-apiserver");
        api_server["metadata"]["annotations"][labels::ETCD_MEMBERS] == "1"
    };
    stage.until("kube-apiserver that connects to one member", let_go).await;
    assert_eq!(stage.etcds.members(&Stage::plane()).len(), 3);
}
