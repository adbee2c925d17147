//! A running tenant goes to another version part by part, and its API servers come and go.

use std::sync::Arc;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

const OLD: &str = "v1.36.3";
const NEW: &str = "v1.37.1";

async fn ready_at_the_old_version() -> Stage {
    let mut stage = Stage::new();
    stage.add_nodes();
    stage.create_tenant(&json!({"version": OLD}));
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage
}

fn in_plane(stage: &Stage, kind: &str, name: &str) -> Arc<Value> {
    stage.planes.get(kind, &Stage::plane(), name).unwrap_or_default()
}

fn version_of(stage: &Stage, kind: &str, name: &str) -> Value {
    in_plane(stage, kind, name)["metadata"]["labels"][labels::VERSION_LABEL].clone()
}

fn kubeadm_version(stage: &Stage) -> String {
    let config = stage.inside.get("ConfigMap", "kube-system", "kubeadm-config").unwrap();
    let text = config["data"]["ClusterConfiguration"].as_str().unwrap();
    let line = text.lines().find(|line| line.starts_with("kubernetesVersion: ")).unwrap();
    line.trim_start_matches("kubernetesVersion: ").to_owned()
}

fn assert_all_at_the_new_version(stage: &Stage) {
    assert_eq!(version_of(stage, "Deployment", "kube-apiserver"), NEW);
    for name in ["kube-controller-manager", "kube-scheduler"] {
        assert_eq!(version_of(stage, "StatefulSet", name), NEW, "{name}");
    }
    assert_eq!(kubeadm_version(stage), NEW);
    let tenant = stage.tenant().unwrap();
    assert_eq!(tenant["status"]["version"], NEW);
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    assert_eq!(plane["metadata"]["annotations"][labels::VERSION], NEW);
    assert_eq!(plane["metadata"]["annotations"][labels::UPGRADING_FROM], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn each_part_is_written_after_the_one_before_it() {
    let stage = ready_at_the_old_version().await;
    let before = stage.writes().len();
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage.settled().await;
    assert_all_at_the_new_version(&stage);
    let writes = stage.writes().split_off(before);
    let first = |what: &str| {
        writes
            .iter()
            .position(|write| write.contains(what))
            .unwrap_or_else(|| panic!("{writes:#?}"))
    };
    let record = first(&format!("Namespace {} ", Stage::plane()));
    let api_server = first(&format!("Deployment {}/kube-apiserver", Stage::plane()));
    let (manager, scheduler) = (first("/kube-controller-manager "), first("/kube-scheduler "));
    let content = first("kube-system/kubeadm-config");
    assert!(record < api_server && api_server < manager.min(scheduler), "{writes:#?}");
    assert!(manager.max(scheduler) < content, "{writes:#?}");
    assert!(!writes.iter().any(|write| write.contains("StatefulSet") && write.contains("/etcd ")));
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_on_the_way_is_taken_over_from() {
    for (kind, name) in [
        ("Deployment", "kube-apiserver"),
        ("StatefulSet", "kube-controller-manager"),
        ("StatefulSet", "kube-scheduler"),
    ] {
        let mut stage = ready_at_the_old_version().await;
        stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
        stage.until("the part is written", |stage| version_of(stage, kind, name) == NEW).await;
        stage.kill_manager();
        stage.start_manager();
        stage.settled().await;
        assert_all_at_the_new_version(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_gone_to_is_refused_and_what_runs_stays() {
    let stage = ready_at_the_old_version().await;
    for (wanted, says) in [("v1.36.2", "cannot go back"), ("v1.35.4", "cannot go back")] {
        stage.projects.patch(&tenant_id(), &json!({"spec": {"version": wanted}}));
        stage.settled().await;
        let stalled = stage.condition(conditions::STALLED);
        assert!(stalled["message"].as_str().unwrap().contains(says), "{stalled}");
        assert_eq!(version_of(&stage, "Deployment", "kube-apiserver"), OLD);
        assert_eq!(stage.condition(conditions::READY)["status"], "True");
    }
}

#[tokio::test(start_paused = true)]
async fn a_minor_that_is_too_new_for_a_kubelet_is_refused_by_the_name_of_its_node() {
    let stage = ready_at_the_old_version().await;
    let node = json!({"kind": "Node", "metadata": {"name": "veteran"}});
    stage.inside.create(&node).unwrap();
    let told = json!({"nodeInfo": {
        "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
        "kubeProxyVersion": "", "kubeletVersion": "v1.33.9", "machineID": "",
        "operatingSystem": "", "osImage": "", "systemUUID": "",
    }});
    let id = Id::new(Kind::named("Node"), "", "veteran");
    stage.inside.patch_status(&id, &told);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage.settled().await;
    let stalled = stage.condition(conditions::STALLED);
    let says = "spec.version: the kubelet of node veteran is v1.33.9";
    assert!(stalled["message"].as_str().unwrap().starts_with(says), "{stalled}");
    assert_eq!(version_of(&stage, "Deployment", "kube-apiserver"), OLD);
    stage.inside.delete(&id);
    stage.touch();
    stage.settled().await;
    assert_all_at_the_new_version(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_taken_back_on_the_way_does_not_turn_what_has_moved() {
    let stage = ready_at_the_old_version().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage
        .until("the API server moves", |stage| {
            version_of(stage, "Deployment", "kube-apiserver") == NEW
        })
        .await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": OLD}}));
    stage.settled().await;
    assert_eq!(stage.condition(conditions::STALLED)["reason"], "Refused");
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": NEW}}));
    stage.settled().await;
    assert_all_at_the_new_version(&stage);
}

#[tokio::test(start_paused = true)]
async fn more_api_servers_have_a_budget_and_a_single_one_has_none() {
    let stage = ready_at_the_old_version().await;
    let budget = |stage: &Stage| in_plane(stage, "PodDisruptionBudget", "kube-apiserver");
    assert_eq!(*budget(&stage), Value::Null);
    for (replicas, maximum) in [(3, json!(1)), (1, Value::Null)] {
        let change = json!({"spec": {"controlPlane": {"replicas": replicas}}});
        stage.projects.patch(&tenant_id(), &change);
        stage.settled().await;
        assert_eq!(in_plane(&stage, "Deployment", "kube-apiserver")["spec"]["replicas"], replicas);
        assert_eq!(budget(&stage)["spec"]["maxUnavailable"], maximum);
        assert_eq!(stage.condition(conditions::RECONCILING), Value::Null);
    }
}
