//! Nodes that all fall silent at once are left alone until one of them is back, whatever happens meanwhile.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::{conditions, labels};
use nagaya_render::plane::plane_namespace_name;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::stage::{PROJECT, Stage, TENANT, tenant_id};
use crate::world::Kubelets;

const OFF: &str = "-node-lifecycle-controller,-taint-eviction-controller";
/// Enough for the manager to know the nodes, and what renewing looks like.
const WHILE: Duration = Duration::from_secs(30);
/// kube-controller-manager would mark the first node 10 s later.
const IN_TIME: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(90);

fn controller_manager(stage: &Stage) -> Arc<Value> {
    let name = "kube-controller-manager";
    stage.planes.get("StatefulSet", &Stage::plane(), name).unwrap_or_default()
}

fn leaves_nodes_alone(stage: &Stage) -> bool {
    let found = controller_manager(stage);
    let command = &found["spec"]["template"]["spec"]["containers"][0]["command"];
    let mut flags = command.as_array().unwrap().iter().filter_map(Value::as_str);
    let controllers = flags.find(|flag| flag.starts_with("--controllers=")).unwrap();
    let off = controllers.ends_with(OFF);
    assert_eq!(off, since(stage) != Value::Null, "{controllers} {}", since(stage));
    off
}

fn since(stage: &Stage) -> Value {
    controller_manager(stage)["metadata"]["annotations"][labels::NODES_CUT_OFF_SINCE].clone()
}

fn writes_of_it(stage: &Stage) -> usize {
    let writes = stage.management_writes();
    writes
        .iter()
        .filter(|write| {
            write.contains("StatefulSet") && write.contains("/kube-controller-manager ")
        })
        .count()
}

async fn with_nodes(names: &[&str]) -> (Stage, Kubelets) {
    let stage = Stage::ready().await;
    let kubelets = Kubelets::join(&stage.inside, names);
    sleep(WHILE).await;
    (stage, kubelets)
}

/// Cut off, and kube-controller-manager knows.
async fn melting(names: &[&str]) -> (Stage, Kubelets) {
    let (stage, kubelets) = with_nodes(names).await;
    kubelets.connect(&[]);
    stage.until("nodes are left alone", leaves_nodes_alone).await;
    (stage, kubelets)
}

async fn ends(stage: &Stage, kubelets: &Kubelets, names: &[&str]) {
    kubelets.connect(names);
    stage.until("nodes are looked after", |stage| !leaves_nodes_alone(stage)).await;
    stage.settled().await;
    assert_eq!(stage.condition(conditions::NODES_CUT_OFF)["status"], "False");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
}

fn events(stage: &Stage, reason: &str) -> usize {
    let all = stage.projects.all("Event", None);
    all.iter().filter(|event| event["reason"] == reason).count()
}

#[tokio::test(start_paused = true)]
async fn nodes_that_fall_silent_together_are_left_alone_in_time_and_looked_after_when_they_are_back()
 {
    let (stage, kubelets) = with_nodes(&["a", "b"]).await;
    assert_eq!(stage.condition(conditions::NODES_CUT_OFF), Value::Null);
    let before = writes_of_it(&stage);
    kubelets.connect(&[]);
    let cut = Instant::now();
    stage.until("nodes are left alone", leaves_nodes_alone).await;
    assert!(cut.elapsed() <= IN_TIME, "after {:?}", cut.elapsed());
    sleep(LONG).await;
    let told = stage.condition(conditions::NODES_CUT_OFF);
    assert_eq!((&told["status"], &told["reason"]), (&json!("True"), &json!("LeasesStale")));
    let words = told["message"].as_str().unwrap();
    assert!(words.contains(since(&stage).as_str().unwrap()), "{words}");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
    assert_eq!(writes_of_it(&stage), before + 1);
    ends(&stage, &kubelets, &["a"]).await;
    assert_eq!(writes_of_it(&stage), before + 2);
    assert_eq!((events(&stage, "LeasesStale"), events(&stage, "NodesLookedAfter")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_one_node_renews_nothing_is_written() {
    let (stage, kubelets) = with_nodes(&["a", "b", "c"]).await;
    let before = stage.writes();
    kubelets.connect(&["b"]);
    sleep(LONG).await;
    assert_eq!(stage.writes(), before);
    assert!(!leaves_nodes_alone(&stage));
}

#[tokio::test(start_paused = true)]
async fn a_single_node_is_for_kubernetes_to_judge_and_its_lease_is_not_asked_for() {
    let (stage, kubelets) = with_nodes(&["a"]).await;
    let before = stage.writes();
    kubelets.connect(&[]);
    sleep(LONG).await;
    assert_eq!(stage.writes(), before);
    let asked = stage.inside.asked();
    let mut leases = asked.iter().map(|asked| &asked.id).filter(|id| id.kind == "Lease");
    assert!(leases.all(|lease| lease.namespace != "kube-node-lease"));
}

#[tokio::test(start_paused = true)]
async fn a_node_beside_one_that_was_switched_off_before_is_a_single_one() {
    let (stage, kubelets) = with_nodes(&["a", "b"]).await;
    kubelets.connect(&["a"]);
    sleep(WHILE).await;
    kubelets.lose("b");
    kubelets.connect(&[]);
    sleep(LONG).await;
    assert!(!leaves_nodes_alone(&stage));
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_meanwhile_is_followed_by_one_that_changes_nothing() {
    let (mut stage, kubelets) = melting(&["a", "b"]).await;
    let (before, began) = (writes_of_it(&stage), since(&stage));
    for _ in 0..3 {
        stage.kill_manager();
        stage.start_manager();
        sleep(WHILE).await;
    }
    assert_eq!((writes_of_it(&stage), since(&stage)), (before, began));
    assert_eq!(stage.condition(conditions::NODES_CUT_OFF)["status"], "True");
    stage.kill_manager();
    stage.start_manager();
    ends(&stage, &kubelets, &["a", "b"]).await;
    assert_eq!(writes_of_it(&stage), before + 1);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_the_api_server_nodes_have_time_to_renew() {
    let (mut stage, kubelets) = with_nodes(&["a", "b"]).await;
    let before = writes_of_it(&stage);
    stage.silence(0);
    kubelets.connect(&[]);
    sleep(LONG).await;
    stage.add_nodes();
    sleep(Duration::from_secs(7)).await;
    kubelets.connect(&["a", "b"]);
    sleep(LONG).await;
    assert_eq!(writes_of_it(&stage), before);
    assert_eq!(stage.condition(conditions::NODES_CUT_OFF), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_meanwhile_leaves_nodes_alone() {
    let mut stage = Stage::new();
    stage.add_nodes();
    stage.create_tenant(&json!({"version": "v1.36.3"}));
    stage.settled().await;
    let kubelets = Kubelets::join(&stage.inside, &["a", "b"]);
    sleep(WHILE).await;
    kubelets.connect(&[]);
    stage.until("nodes are left alone", leaves_nodes_alone).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": "v1.37.1"}}));
    let is_new = |stage: &Stage| {
        controller_manager(stage)["metadata"]["labels"][labels::VERSION_LABEL] == "v1.37.1"
    };
    stage.until("kube-controller-manager of the new version", is_new).await;
    assert!(leaves_nodes_alone(&stage));
    stage.settled().await;
    assert!(leaves_nodes_alone(&stage));
    ends(&stage, &kubelets, &["a", "b"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_pods_wait_for_their_turn_does_not_wait_with_this() {
    let (mut stage, kubelets) = with_nodes(&["a", "b"]).await;
    let is_ready =
        |stage: &Stage| stage.condition_of("other", conditions::READY)["status"] == "True";
    stage.add_tenant("other");
    stage.until("both are Ready", is_ready).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true}}));
    stage.settled().await;
    start_with_other_settings(&mut stage);
    stage.until("the other one rolls", |stage| has_rolled(stage, "other")).await;
    stage.silence(1);
    stage.until("the other one falls", |stage| !is_ready(stage)).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": false}}));
    let waits =
        |stage: &Stage| stage.condition(conditions::RECONCILING)["reason"] == "WaitingToRoll";
    stage.until("it waits", waits).await;
    kubelets.connect(&[]);
    stage.until("nodes are left alone", leaves_nodes_alone).await;
    sleep(WHILE).await;
    assert!(waits(&stage) && leaves_nodes_alone(&stage) && !has_rolled(&stage, TENANT));
}

/// The next manager gives kube-controller-manager and kube-scheduler another memory limit.
fn start_with_other_settings(stage: &mut Stage) {
    stage.kill_manager();
    for component in ["kube-controller-manager", "kube-scheduler"] {
        let limits = Some([("memory".to_owned(), Quantity("321Mi".to_owned()))].into());
        let resources = ResourceRequirements { limits, ..ResourceRequirements::default() };
        stage.config.render.resources.insert(component.to_owned(), resources);
    }
    stage.start_manager();
}

fn has_rolled(stage: &Stage, name: &str) -> bool {
    let plane = plane_namespace_name(PROJECT, name);
    let live = stage.planes.get("StatefulSet", &plane, "kube-scheduler").unwrap();
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "321Mi"
}

#[tokio::test(start_paused = true)]
async fn deleted_nodes_end_it_when_fewer_than_two_are_left() {
    let (stage, kubelets) = melting(&["a", "b", "c"]).await;
    kubelets.delete("c");
    sleep(WHILE).await;
    assert!(leaves_nodes_alone(&stage));
    kubelets.delete("b");
    stage.until("nodes are looked after", |stage| !leaves_nodes_alone(stage)).await;
    sleep(LONG).await;
    assert!(!leaves_nodes_alone(&stage));
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_is_left_as_it_runs() {
    let (stage, kubelets) = with_nodes(&["a", "b"]).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true}}));
    kubelets.connect(&[]);
    sleep(WHILE).await;
    assert!(!leaves_nodes_alone(&stage));
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": false}}));
    stage.until("nodes are left alone", leaves_nodes_alone).await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true}}));
    kubelets.connect(&["a", "b"]);
    sleep(LONG).await;
    assert!(leaves_nodes_alone(&stage));
    assert_eq!(stage.condition(conditions::NODES_CUT_OFF)["status"], "True");
}
