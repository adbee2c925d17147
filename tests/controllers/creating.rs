//! A new `TenantCluster` leads to the whole control plane.

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::history::KEYS;
use crate::memory_api::{Asked, NODE_ADDRESS};
use crate::stage::{PROJECT, Stage, TENANT, spec, tenant_id};

/// Everything that Nagaya puts into a control-plane namespace.
const PLANE: [&str; 23] = [
    "ConfigMap etcd-state",
    "ConfigMap kube-apiserver-authentication",
    "Deployment kube-apiserver",
    "RoleBinding nagaya-manager",
    "Secret client-ca-1",
    "Secret cluster-ca-1",
    "Secret etcd-ca-1",
    "Secret etcd-certs",
    "Secret front-proxy-ca-1",
    "Secret kube-apiserver-certs",
    "Secret kube-controller-manager-certs",
    "Secret kube-scheduler-certs",
    "Secret kubelet-serving-ca-1",
    "Secret metrics-client",
    "Secret service-account-1",
    "Secret signing-token",
    "Service etcd",
    "Service etcd-client",
    "Service kube-apiserver",
    "Service kube-apiserver-public",
    "StatefulSet etcd",
    "StatefulSet kube-controller-manager",
    "StatefulSet kube-scheduler",
];

#[tokio::test(start_paused = true)]
async fn a_tenant_cluster_leads_to_the_whole_plane() {
    let stage = Stage::new();
    stage.create_tenant(&spec());
    stage
        .until("a plane that waits for nodes", |stage| {
            stage.condition(conditions::ETCD_READY)["reason"] == "NotReady"
        })
        .await;
    let plane = Stage::plane();
    let namespace = stage.planes.get("Namespace", "", &plane).unwrap();
    assert_eq!(namespace["metadata"]["labels"][labels::TENANT_NAME], TENANT);
    assert_eq!(namespace["metadata"]["labels"][labels::TENANT_NAMESPACE], PROJECT);
    let ids = stage.planes.names_in(&plane);
    let names: Vec<String> = ids.iter().map(|id| format!("{} {}", id.kind, id.name)).collect();
    assert_eq!(names, PLANE);
    for name in KEYS {
        assert_eq!(stage.planes.get("Secret", &plane, name).unwrap()["immutable"], true, "{name}");
    }
    let port = &stage.planes.get("Service", &plane, "kube-apiserver-public").unwrap();
    let endpoint = format!("{NODE_ADDRESS}:{}", port["spec"]["ports"][0]["nodePort"]);
    let status = &stage.tenant().unwrap()["status"];
    assert_eq!(status["endpoint"], endpoint.as_str());
    assert_eq!(status["addresses"], json!([NODE_ADDRESS.to_string()]));
    assert!(stage.projects.get("Secret", PROJECT, "demo-kubeconfig").is_some());
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_is_there_before_anything_that_needs_cleaning_up() {
    let stage = Stage::new();
    stage.create_tenant(&spec());
    stage
        .until("a first Secret", |stage| {
            stage.planes.get("Secret", &Stage::plane(), "cluster-ca-1").is_some()
        })
        .await;
    let first: Asked = stage.projects.writes().remove(0);
    assert_eq!((first.id, first.code), (tenant_id(), 200));
    assert_eq!(first.body["metadata"]["finalizers"], json!(["nagaya.dev/control-plane"]));
}

#[tokio::test(start_paused = true)]
async fn a_plane_without_nodes_says_what_it_waits_for() {
    let stage = Stage::new();
    stage.create_tenant(&spec());
    stage
        .until("an answer of the prober", |stage| {
            stage.condition(conditions::ENDPOINT_REACHABLE)["status"] == "False"
        })
        .await;
    assert_eq!(stage.condition(conditions::READY)["status"], "False");
    assert_eq!(stage.condition(conditions::READY)["reason"], "EndpointUnreachable");
    assert_eq!(stage.condition(conditions::RECONCILING)["message"], "waiting for etcd");
    assert_eq!(stage.condition(conditions::CERTIFICATES_READY)["status"], "True");
    assert_eq!(is_born(&stage), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_paused_from_birth_is_made_when_it_is_no_longer() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1", "paused": true}));
    stage.settled().await;
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": false}}));
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap_or_default());
}

#[tokio::test(start_paused = true)]
async fn with_nodes_the_tenant_becomes_joinable_and_every_condition_says_so() {
    let stage = Stage::ready().await;
    let tenant = stage.tenant().unwrap();
    let conditions = tenant["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 9, "{conditions:#?}");
    for condition in conditions {
        assert_eq!(condition["status"], "True", "{condition}");
        assert_eq!(condition["observedGeneration"], tenant["metadata"]["generation"]);
    }
    assert_eq!(tenant["status"]["observedGeneration"], tenant["metadata"]["generation"]);
    assert_eq!(is_born(&stage), "true");
}

fn is_born(stage: &Stage) -> Value {
    let namespace = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    namespace["metadata"]["annotations"][labels::BORN].clone()
}
