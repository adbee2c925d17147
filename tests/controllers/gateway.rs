//! A tenant with `spec.expose.type: Gateway` is reached by its own name at the gateway's address, by machines and by the
//! prober alike.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nagaya_api::{conditions, labels};
use nagaya_render::settings::GatewaySettings;
use serde_json::{Value, json};

use crate::memory_api::{GATEWAY_ADDRESS, Id, Kind};
use crate::stage::{PROJECT, Stage, tenant_id};

const HOST: &str = "demo.acme.k8s.example.com";
const ENDPOINT: &str = "demo.acme.k8s.example.com:443";

pub fn behind_the_gateway() -> Value {
    json!({"version": "v1.37.1", "expose": {"type": "Gateway"}})
}

async fn ready() -> Stage {
    let stage = Stage::with_nodes();
    stage.create_tenant(&behind_the_gateway());
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True", "{:#}", status(&stage));
    stage
}

fn status(stage: &Stage) -> Value {
    stage.tenant().unwrap_or_default()["status"].clone()
}

fn change(stage: &Stage, expose: &Value) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": expose}}));
}

/// The Service of the endpoint: its type, whether it is the gateway's, and by which names.
fn service(stage: &Stage) -> (Value, Value, Value) {
    let found = stage.planes.get("Service", &Stage::plane(), "kube-apiserver-public").unwrap();
    let meta = &found["metadata"];
    let (label, hosts) =
        (&meta["labels"][labels::GATEWAY], &meta["annotations"][labels::GATEWAY_HOSTS]);
    (found["spec"]["type"].clone(), label.clone(), hosts.clone())
}

fn secret(stage: &Stage, name: &str, key: &str) -> String {
    let secret = stage.projects.get("Secret", PROJECT, name).unwrap();
    let value = STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
    String::from_utf8(value).unwrap()
}

/// The pods of the plane, by UID.
fn pods(stage: &Stage) -> BTreeSet<String> {
    let ids = stage.planes.names_in(&Stage::plane()).into_iter().filter(|id| id.kind == "Pod");
    ids.map(|id| {
        let pod = stage.planes.get("Pod", &Stage::plane(), &id.name).unwrap();
        pod["metadata"]["uid"].to_string()
    })
    .collect()
}

/// The manager goes on with another gateway in its settings.
fn set_gateway(stage: &mut Stage, gateway: GatewaySettings) {
    stage.kill_manager();
    stage.config.render.gateway = gateway;
    stage.start_manager();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_behind_the_gateway_is_joinable_by_its_own_name() {
    let stage = ready().await;
    assert_eq!(status(&stage)["endpoint"], ENDPOINT);
    assert_eq!(status(&stage)["addresses"], json!([GATEWAY_ADDRESS.to_string()]));
    assert_eq!(service(&stage), (json!("ClusterIP"), json!("true"), json!(HOST)));
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    let recorded = &plane["metadata"]["annotations"];
    assert_eq!(recorded[labels::ENDPOINT_HOST], HOST);
    assert_eq!(recorded[labels::ENDPOINT_PORT], "443");
    let server = format!("server: https://{ENDPOINT}");
    let info = stage.inside.get("ConfigMap", "kube-public", "cluster-info").unwrap();
    assert!(info["data"]["kubeconfig"].as_str().unwrap().contains(&server), "{info:#}");
    assert!(secret(&stage, "demo-kubeconfig", "value").contains(&server));
}

#[tokio::test(start_paused = true)]
async fn its_join_command_names_it_too() {
    let stage = ready().await;
    stage.create_join_token("vms");
    let is_there = |stage: &Stage| stage.projects.get("Secret", PROJECT, "vms-join").is_some();
    stage.until("it is issued", is_there).await;
    let command = secret(&stage, "vms-join", "command");
    assert!(command.starts_with(&format!("kubeadm join {ENDPOINT} ")), "{command}");
}

/// What the forwarder on the nodes is told, and where pods go.
fn forwarding(stage: &Stage) -> (String, Value) {
    let daemon_set = stage.inside.get("DaemonSet", "kube-system", "nagaya-forwarder").unwrap();
    let words = daemon_set["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    let slice = stage.inside.get("EndpointSlice", "default", "kubernetes").unwrap();
    (words, slice["endpoints"][0]["addresses"].clone())
}

#[tokio::test(start_paused = true)]
async fn pods_are_led_by_a_forwarder_that_follows_the_gateways_addresses() {
    let mut stage = ready().await;
    let (words, pods) = forwarding(&stage);
    let own = [format!("--gateway={GATEWAY_ADDRESS}:443"), format!("--authority={HOST}")];
    assert!(own.iter().all(|word| words.contains(word)), "{words}");
    assert_eq!(pods, json!(["240.110.97.103"]));
    let right = stage.config.render.gateway.clone();
    let addresses = vec![GATEWAY_ADDRESS.into(), "198.51.100.77".parse().unwrap()];
    set_gateway(&mut stage, GatewaySettings { addresses, ..right });
    let both = format!("--gateway={GATEWAY_ADDRESS}:443,198.51.100.77:443");
    stage.until("the forwarder knows both", |stage| forwarding(stage).0.contains(&both)).await;
    assert_eq!(forwarding(&stage).1, pods);
}

#[tokio::test(start_paused = true)]
async fn further_names_lead_there_too_and_nothing_restarts() {
    let stage = ready().await;
    let before = pods(&stage);
    change(&stage, &json!({"extraNames": ["api.example.com", "203.0.113.5"]}));
    stage.settled().await;
    assert_eq!(service(&stage).2, format!("{HOST},api.example.com"));
    assert!(stage.is_settled(), "{:#}", status(&stage));
    change(&stage, &json!({"extraNames": ["other.acme.k8s.example.com"]}));
    stage.settled().await;
    let accepted = stage.condition(conditions::ACCEPTED);
    assert!(accepted["message"].as_str().unwrap().starts_with("spec.expose.extraNames[0]: "));
    assert_eq!(service(&stage).2, format!("{HOST},api.example.com"), "the last accepted one");
    change(&stage, &json!({"extraNames": null}));
    stage.settled().await;
    assert_eq!(service(&stage).2, HOST);
    assert_eq!(pods(&stage), before);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_takes_off_the_service_comes_back() {
    let stage = ready().await;
    let public = Id::new(Kind::named("Service"), &Stage::plane(), "kube-apiserver-public");
    for taken in [
        json!({"labels": {labels::GATEWAY: null}}),
        json!({"annotations": {labels::GATEWAY_HOSTS: "stolen.example.com"}}),
    ] {
        stage.planes.patch(&public, &json!({"metadata": taken}));
        stage.settled().await;
        assert_eq!(service(&stage), (json!("ClusterIP"), json!("true"), json!(HOST)), "{taken}");
        assert!(stage.is_settled(), "{:#}", status(&stage));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_said_until_it_does() {
    let mut stage = Stage::with_nodes();
    let right = stage.config.render.gateway.clone();
    let nowhere = vec!["198.51.100.99".parse().unwrap()];
    set_gateway(&mut stage, GatewaySettings { addresses: nowhere, ..right.clone() });
    stage.create_tenant(&behind_the_gateway());
    stage.settled().await;
    let reachable = stage.condition(conditions::ENDPOINT_REACHABLE);
    assert_eq!(reachable["reason"], "EndpointUnreachable");
    let words = reachable["message"].as_str().unwrap();
    assert!(words.contains("cannot connect to the gateway") && words.contains("gateway.addresses"));
    assert_eq!(stage.condition(conditions::READY)["status"], "False");
    set_gateway(&mut stage, right);
    stage.until("it is joinable", Stage::is_settled).await;
    assert_eq!(status(&stage)["endpoint"], ENDPOINT);
}

#[tokio::test(start_paused = true)]
async fn without_a_gateway_in_the_settings_it_is_refused_and_goes_on_once_there_is_one() {
    let mut stage = Stage::with_nodes();
    let right = stage.config.render.gateway.clone();
    set_gateway(&mut stage, GatewaySettings::default());
    stage.create_tenant(&behind_the_gateway());
    stage.settled().await;
    let accepted = stage.condition(conditions::ACCEPTED);
    assert_eq!(accepted["status"], "False");
    let words = accepted["message"].as_str().unwrap();
    assert!(words.starts_with("spec.expose.type: ") && words.contains("gateway.domain"), "{words}");
    assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None);
    set_gateway(&mut stage, right);
    stage.until("it is joinable", Stage::is_settled).await;
}

#[tokio::test(start_paused = true)]
async fn another_domain_leaves_those_where_they_are_that_have_a_name_already() {
    let mut stage = ready().await;
    let right = stage.config.render.gateway.clone();
    let other = Some("elsewhere.example".to_owned());
    set_gateway(&mut stage, GatewaySettings { domain: other, ..right });
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
    assert_eq!(status(&stage)["endpoint"], ENDPOINT);
    assert_eq!(service(&stage).2, HOST);
}

#[tokio::test(start_paused = true)]
async fn until_it_was_healthy_the_type_can_be_corrected_both_ways() {
    let mut stage = Stage::new();
    stage.create_tenant(&behind_the_gateway());
    stage.settled().await;
    assert_eq!(status(&stage)["endpoint"], ENDPOINT);
    change(&stage, &json!({"type": "NodePort"}));
    stage.settled().await;
    let by_port = service(&stage);
    assert_eq!(by_port, (json!("NodePort"), Value::Null, Value::Null));
    assert_ne!(status(&stage)["endpoint"], ENDPOINT);
    change(&stage, &json!({"type": "Gateway"}));
    stage.settled().await;
    assert_eq!(service(&stage), (json!("ClusterIP"), json!("true"), json!(HOST)));
    stage.add_nodes();
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
    assert_eq!(status(&stage)["endpoint"], ENDPOINT);
}
