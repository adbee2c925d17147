//! `spec.expose.type` of a cluster with nodes is changed: everything that is handed out has the new endpoint, the former one
//! is served until it is named to end, and status says which nodes may still use it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind, NODE_ADDRESS};
use crate::stage::{PROJECT, Stage, tenant_id};

const AT_THE_GATEWAY: &str = "demo.acme.k8s.example.com:443";
pub const FIRST: &str = "kube-apiserver-public";
pub const SECOND: &str = "kube-apiserver-public-2";
const TUNNEL: &str = "konnectivity-server";

pub fn ask(stage: &Stage, expose: &Value) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": expose}}));
}

pub async fn change(stage: &Stage, expose: &Value) {
    ask(stage, expose);
    stage.settled().await;
}

pub fn status(stage: &Stage, field: &str) -> Value {
    stage.tenant().unwrap_or_default()["status"][field].clone()
}

pub fn endpoint(stage: &Stage) -> String {
    status(stage, "endpoint").as_str().unwrap_or_default().to_owned()
}

pub fn service(stage: &Stage, name: &str) -> Option<Value> {
    let found = stage.planes.get("Service", &Stage::plane(), name)?;
    Some(found.as_ref().clone())
}

pub fn node_port(stage: &Stage, name: &str) -> Value {
    service(stage, name).unwrap_or_default()["spec"]["ports"][0]["nodePort"].clone()
}

fn secret(stage: &Stage, name: &str, key: &str) -> String {
    let secret = stage.projects.get("Secret", PROJECT, name).unwrap();
    let value = STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
    String::from_utf8(value).unwrap()
}

fn add_node(stage: &Stage, name: &str, told: Option<&str>) {
    let annotations = told.map(|told| json!({labels::NODE_ENDPOINT: told})).unwrap_or_default();
    let mut node = json!({"kind": "Node", "metadata": {"name": name}});
    if !annotations.is_null() {
        node["metadata"]["annotations"] = annotations;
    }
    stage.inside.create(&node).unwrap();
}

/// What the command does to the Node.
pub fn tell(stage: &Stage, name: &str, endpoint: &str) {
    let node = Id::new(Kind::named("Node"), "", name);
    let told = json!({"metadata": {"annotations": {labels::NODE_ENDPOINT: endpoint}}});
    stage.inside.patch(&node, &told);
}

pub fn moved(stage: &Stage) -> (String, String) {
    let condition = stage.condition(conditions::NODES_MOVED);
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

/// A cluster that has a node and a join command, and its endpoint.
pub async fn with_a_node() -> (Stage, String) {
    let stage = Stage::ready().await;
    add_node(&stage, "old", None);
    stage.create_join_token("vms");
    stage.settled().await;
    let endpoint = endpoint(&stage);
    assert!(secret(&stage, "vms-join", "command").contains(&endpoint));
    (stage, endpoint)
}

pub fn assert_handed_out(stage: &Stage, endpoint: &str) {
    let server = format!("server: https://{endpoint}");
    let info = stage.inside.get("ConfigMap", "kube-public", "cluster-info").unwrap();
    assert!(info["data"]["kubeconfig"].as_str().unwrap().contains(&server), "{info:#}");
    let proxy = stage.inside.get("ConfigMap", "kube-system", "kube-proxy").unwrap();
    let proxy = proxy["data"]["kubeconfig.conf"].as_str().unwrap();
    assert!(proxy.contains(&format!("server: \"https://{endpoint}\"")), "{proxy}");
    let kubeadm = stage.inside.get("ConfigMap", "kube-system", "kubeadm-config").unwrap();
    let kubeadm = kubeadm["data"]["ClusterConfiguration"].as_str().unwrap();
    assert!(kubeadm.contains(endpoint), "{kubeadm}");
    assert!(secret(stage, "demo-kubeconfig", "value").contains(&server));
    let command = secret(stage, "vms-join", "command");
    assert!(command.starts_with(&format!("kubeadm join {endpoint} ")), "{command}");
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!(status(stage, "endpoint"), endpoint);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_moves_to_the_gateway_and_its_port_ends_when_it_is_named() {
    let (stage, old) = with_a_node().await;
    let port = node_port(&stage, FIRST);
    change(&stage, &json!({"type": "Gateway"})).await;
    assert_handed_out(&stage, AT_THE_GATEWAY);
    assert_eq!(node_port(&stage, FIRST), port, "it is kept");
    assert_eq!(service(&stage, SECOND).unwrap()["spec"]["type"], "ClusterIP");
    let former = status(&stage, "formerEndpoint");
    assert_eq!((&former["endpoint"], &former["nodes"]), (&json!(old), &json!(["old"])));
    assert!(former["command"].as_str().unwrap().contains(&format!("https://{AT_THE_GATEWAY}")));
    let (is_moved, words) = moved(&stage);
    assert!(is_moved == "False" && words.contains(&format!("{AT_THE_GATEWAY}: old;")), "{words}");
    tell(&stage, "old", AT_THE_GATEWAY);
    stage.settled().await;
    assert_eq!(moved(&stage).0, "True");
    assert_eq!(status(&stage, "formerEndpoint")["nodes"], Value::Null);
    change(&stage, &json!({"retiredEndpoint": old})).await;
    assert_handed_out(&stage, AT_THE_GATEWAY);
    assert_eq!(service(&stage, FIRST), None);
    assert!(service(&stage, SECOND).is_some());
    assert_eq!(status(&stage, "formerEndpoint"), Value::Null);
    assert_eq!(stage.condition(conditions::NODES_MOVED), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_moves_from_the_gateway_to_a_port() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1", "expose": {"type": "Gateway"}}));
    stage.settled().await;
    add_node(&stage, "old", None);
    change(&stage, &json!({"type": "NodePort"})).await;
    let new = endpoint(&stage);
    assert_eq!(new, format!("{NODE_ADDRESS}:{}", node_port(&stage, SECOND)));
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    let led = service(&stage, FIRST).unwrap()["metadata"]["labels"][labels::GATEWAY].clone();
    assert_eq!(led, "true", "the route stays");
    assert!(service(&stage, TUNNEL).is_some(), "nodes are reached through it until then");
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], AT_THE_GATEWAY);
    assert_eq!(moved(&stage).0, "False");
    stage.inside.delete(&Id::new(Kind::named("Node"), "", "old"));
    stage.settled().await;
    assert_eq!(moved(&stage).0, "True");
    change(&stage, &json!({"retiredEndpoint": AT_THE_GATEWAY})).await;
    assert_eq!((service(&stage, FIRST), service(&stage, TUNNEL)), (None, None));
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!(endpoint(&stage), new);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_leads_to_the_same_port_and_names_those_who_left_it() {
    let (stage, old) = with_a_node().await;
    change(&stage, &json!({"type": "Gateway"})).await;
    tell(&stage, "old", AT_THE_GATEWAY);
    add_node(&stage, "never-told", None);
    stage.settled().await;
    assert_eq!(status(&stage, "formerEndpoint")["nodes"], json!(["never-told"]), "not known");
    change(&stage, &json!({"type": "NodePort"})).await;
    assert_handed_out(&stage, &old);
    let former = status(&stage, "formerEndpoint");
    assert_eq!(former["endpoint"], AT_THE_GATEWAY);
    assert_eq!(former["nodes"], json!(["never-told", "old"]));
    assert!(former["command"].as_str().unwrap().contains(&format!("https://{old}")));
}

#[tokio::test(start_paused = true)]
async fn the_former_service_comes_back_with_its_port_and_nothing_ends_by_a_wrong_name() {
    let (stage, old) = with_a_node().await;
    let port = node_port(&stage, FIRST);
    change(&stage, &json!({"type": "Gateway"})).await;
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), FIRST));
    stage.settled().await;
    assert_eq!(node_port(&stage, FIRST), port);
    change(&stage, &json!({"retiredEndpoint": "192.0.2.1:1"})).await;
    let stalled = stage.condition(conditions::STALLED);
    assert!(stalled["message"].as_str().unwrap().contains(&old), "{stalled}");
    assert_eq!(node_port(&stage, FIRST), port);
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn nobody_can_join_until_the_new_endpoint_answers_and_the_old_one_is_served() {
    let (mut stage, old) = with_a_node().await;
    let port = node_port(&stage, FIRST);
    let right = stage.config.render.gateway.clone();
    stage.kill_manager();
    stage.config.render.gateway.addresses = vec!["198.51.100.99".parse().unwrap()];
    stage.start_manager();
    stage.settled().await;
    change(&stage, &json!({"type": "Gateway"})).await;
    assert_eq!(stage.condition(conditions::READY)["reason"], "EndpointUnreachable");
    assert_eq!(
        (node_port(&stage, FIRST), status(&stage, "formerEndpoint")["endpoint"].clone()),
        (port, json!(old))
    );
    stage.kill_manager();
    stage.config.render.gateway = right;
    stage.start_manager();
    stage.until("it is joinable", Stage::is_settled).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_retained_comes_back_with_both_endpoints() {
    let (stage, old) = with_a_node().await;
    let port = node_port(&stage, FIRST);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"deletionPolicy": "Retain"}}));
    change(&stage, &json!({"type": "Gateway"})).await;
    stage.projects.delete(&tenant_id());
    stage.until("it is gone", |stage| stage.tenant().is_none()).await;
    stage.create_tenant(&json!({"version": "v1.37.1", "expose": {"type": "Gateway"}}));
    stage.until("it is joinable", Stage::is_settled).await;
    stage.settled().await;
    assert_eq!(endpoint(&stage), AT_THE_GATEWAY);
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], old);
    assert_eq!(node_port(&stage, FIRST), port);
}
