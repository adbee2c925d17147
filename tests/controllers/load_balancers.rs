//! Tenants that a load balancer leads to: the management cluster's, which gives an address some time after it is asked, or one
//! of the operator's own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nagaya_api::{conditions, labels};
use nagaya_render::plane::plane_namespace_name;
use serde_json::{Value, json};

use crate::memory_api::{EXTERNAL_ADDRESS, Fault, Id, Kind};
use crate::stage::{PROJECT, Stage, TENANT, tenant_id};

/// What the load balancer of most tests gives.
pub const ADDRESS: &str = "198.51.100.20";
pub const ANOTHER: &str = "198.51.100.21";
pub const PUBLIC: &str = "kube-apiserver-public";

/// By the management cluster's load balancer.
pub fn balanced() -> Value {
    json!({"version": "v1.37.1", "expose": {"type": "LoadBalancer"}})
}

/// By one of the operator's own.
pub fn external() -> Value {
    let external = json!({"host": "demo.lb.example", "addresses": [EXTERNAL_ADDRESS.to_string()]});
    json!({"version": "v1.37.1", "expose": {"type": "External", "external": external}})
}

/// The load balancer gives the tenant's Service an address.
pub fn give(stage: &Stage, address: &str) {
    give_to(stage, (&Stage::plane(), PUBLIC), address);
}

pub fn give_to(stage: &Stage, (plane, service): (&str, &str), address: &str) {
    let id = Id::new(Kind::named("Service"), plane, service);
    let given = json!({"loadBalancer": {"ingress": [{"ip": address}]}});
    stage.planes.patch_status(&id, &given);
}

pub fn service(stage: &Stage) -> Value {
    stage.planes.get("Service", &Stage::plane(), PUBLIC).unwrap().as_ref().clone()
}

pub fn status(stage: &Stage) -> Value {
    stage.tenant().unwrap_or_default()["status"].clone()
}

pub fn change(stage: &Stage, expose: &Value) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": expose}}));
}

fn recorded(stage: &Stage, key: &str) -> Value {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    plane["metadata"]["annotations"][key].clone()
}

fn secret(stage: &Stage, name: &str, key: &str) -> String {
    let secret = stage.projects.get("Secret", PROJECT, name).unwrap();
    let value = STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
    String::from_utf8(value).unwrap()
}

/// The pods of the plane, by UID.
pub fn pods(stage: &Stage) -> BTreeMap<String, String> {
    let ids = stage.planes.names_in(&Stage::plane()).into_iter().filter(|id| id.kind == "Pod");
    ids.map(|id| {
        let pod = stage.planes.get("Pod", &Stage::plane(), &id.name).unwrap();
        (id.name, pod["metadata"]["uid"].to_string())
    })
    .collect()
}

pub async fn waiting(stage: &Stage, spec: &Value) {
    stage.create_tenant(spec);
    stage.settled().await;
    let ready = stage.condition(conditions::READY);
    assert_eq!(ready["reason"], "LoadBalancerPending", "{:#}", status(stage));
}

pub async fn ready() -> Stage {
    let stage = Stage::with_nodes();
    waiting(&stage, &balanced()).await;
    give(&stage, ADDRESS);
    stage.until("it is joinable", Stage::is_settled).await;
    stage.settled().await;
    stage
}

#[tokio::test(start_paused = true)]
async fn a_tenant_waits_for_its_address_in_words_and_nothing_of_it_runs() {
    let stage = Stage::with_nodes();
    waiting(&stage, &balanced()).await;
    let reachable = stage.condition(conditions::ENDPOINT_REACHABLE);
    let words = reachable["message"].as_str().unwrap();
    assert!(words.starts_with("no load balancer has given an address yet: "), "{words}");
    assert!(words.contains(&format!("{}/{PUBLIC}", Stage::plane())), "{words}");
    assert_eq!(service(&stage)["spec"]["type"], "LoadBalancer");
    assert_eq!(service(&stage)["spec"]["ports"][0]["port"], 6443);
    let workloads = stage.planes.names_in(&Stage::plane()).into_iter();
    let workloads =
        workloads.filter(|id| ["StatefulSet", "Deployment", "Secret"].contains(&id.kind));
    assert_eq!(workloads.count(), 0);
    assert_eq!(status(&stage)["endpoint"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn once_it_has_one_it_is_joinable_there() {
    let stage = ready().await;
    let endpoint = format!("{ADDRESS}:6443");
    assert_eq!(status(&stage)["endpoint"], endpoint);
    assert_eq!(status(&stage)["addresses"], json!([ADDRESS]));
    assert_eq!(recorded(&stage, labels::ENDPOINT_HOST), ADDRESS);
    assert_eq!(recorded(&stage, labels::ENDPOINT_ADDRESS), ADDRESS);
    assert_eq!(recorded(&stage, labels::ENDPOINT_PORT), "6443");
    let server = format!("server: https://{endpoint}");
    let info = stage.inside.get("ConfigMap", "kube-public", "cluster-info").unwrap();
    assert!(info["data"]["kubeconfig"].as_str().unwrap().contains(&server), "{info:#}");
    assert!(secret(&stage, "demo-kubeconfig", "value").contains(&server));
    stage.create_join_token("vms");
    let is_there = |stage: &Stage| stage.projects.get("Secret", PROJECT, "vms-join").is_some();
    stage.until("it is issued", is_there).await;
    let command = secret(&stage, "vms-join", "command");
    assert!(command.starts_with(&format!("kubeadm join {endpoint} ")), "{command}");
    assert_eq!(service(&stage)["spec"].get("loadBalancerIP"), None, "it has it by itself");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_again_asks_for_the_same_address_and_nodes_keep_it() {
    let stage = ready().await;
    let before = pods(&stage);
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), PUBLIC));
    stage.settled().await;
    assert_eq!(service(&stage)["spec"]["loadBalancerIP"], ADDRESS);
    give(&stage, ANOTHER);
    stage.settled().await;
    assert_eq!(status(&stage)["endpoint"], format!("{ADDRESS}:6443"));
    assert_eq!(recorded(&stage, labels::ENDPOINT_ADDRESS), ADDRESS);
    assert_eq!(pods(&stage), before);
    give(&stage, ADDRESS);
    stage.settled().await;
    let writes = stage.count_writes();
    stage.touch();
    stage.settled().await;
    assert_eq!(stage.count_writes(), writes);
    assert!(stage.is_settled(), "{:#}", status(&stage));
}

#[tokio::test(start_paused = true)]
async fn an_address_is_never_handed_to_two_tenants() {
    let stage = ready().await;
    create(&stage, "other", &balanced());
    stage.settled().await;
    let plane = plane_namespace_name(PROJECT, "other");
    give_to(&stage, (&plane, PUBLIC), ADDRESS);
    stage.settled().await;
    let ready = stage.condition_of("other", conditions::READY);
    assert_eq!(ready["reason"], "LoadBalancerPending");
    let words = ready["message"].as_str().unwrap();
    assert!(words.contains("which is the endpoint of acme/demo"), "{words}");
    assert!(stage.is_settled(), "{:#}", status(&stage));
    give_to(&stage, (&plane, PUBLIC), ANOTHER);
    stage.settled().await;
    let other = stage.projects.get("TenantCluster", PROJECT, "other").unwrap();
    assert_eq!(other["status"]["endpoint"], format!("{ANOTHER}:6443"));
}

pub fn create(stage: &Stage, name: &str, spec: &Value) {
    let metadata = json!({"name": name, "namespace": PROJECT});
    let tenant = json!({"kind": "TenantCluster", "metadata": metadata, "spec": spec});
    stage.projects.create(&tenant).unwrap();
}

/// Neither could be seen when the other was accepted.
#[tokio::test(start_paused = true)]
async fn of_two_that_come_together_with_one_endpoint_one_gets_it() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&external());
    create(&stage, "twin", &external());
    stage.settled().await;
    let stalled = [TENANT, "twin"].map(|name| stage.condition_of(name, conditions::STALLED));
    let refused = stalled.iter().filter(|stalled| stalled["reason"] == "Refused").count();
    assert_eq!(refused, 1, "{stalled:?}");
    let planes = [TENANT, "twin"].map(|name| plane_namespace_name(PROJECT, name));
    let is_born = |plane: &&String| {
        let plane = stage.planes.get("Namespace", "", plane).unwrap_or_default();
        plane["metadata"]["annotations"][labels::BORN] == "true"
    };
    assert_eq!(planes.iter().filter(is_born).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_asked_for_behind_a_name_is_nobody_elses_either() {
    let stage = ready().await;
    let mut spec = balanced();
    spec["expose"]["loadBalancer"] = json!({"address": ADDRESS});
    create(&stage, "other", &spec);
    stage.settled().await;
    let plane = plane_namespace_name(PROJECT, "other");
    let id = Id::new(Kind::named("Service"), &plane, PUBLIC);
    let named = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}});
    stage.planes.patch_status(&id, &named);
    stage.settled().await;
    let words = stage.condition_of("other", conditions::READY)["message"].to_string();
    assert!(words.contains("which is the endpoint of acme/demo"), "{words}");
    assert!(stage.planes.get("StatefulSet", &plane, "etcd").is_none(), "something of it runs");
}

/// As the controller of a cloud does by a webhook.
#[tokio::test(start_paused = true)]
async fn a_class_that_somebody_fills_in_is_left_alone() {
    let stage = Stage::with_nodes();
    waiting(&stage, &balanced()).await;
    let uid = service(&stage)["metadata"]["uid"].clone();
    let id = Id::new(Kind::named("Service"), &Stage::plane(), PUBLIC);
    // It could not be set of a Service of this type.
    stage.planes.patch(&id, &json!({"spec": {"type": "ClusterIP"}}));
    let filled_in = json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/filled-in"});
    stage.planes.patch(&id, &json!({ "spec": filled_in }));
    stage.settled().await;
    assert_eq!(service(&stage)["metadata"]["uid"], uid);
    give(&stage, ADDRESS);
    stage.until("it is joinable", Stage::is_settled).await;
    assert_eq!(service(&stage)["spec"]["loadBalancerClass"], "example.com/filled-in");
}

#[tokio::test(start_paused = true)]
async fn host_and_port_of_another_tenant_are_refused_for_a_new_one() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&external());
    stage.until("it is joinable", Stage::is_settled).await;
    let same_name = json!({
        "version": "v1.37.1", "expose": {"type": "LoadBalancer", "hostname": "demo.lb.example"},
    });
    for (name, spec, field) in [
        ("second", external(), "spec.expose.external.host"),
        ("third", same_name, "spec.expose.hostname"),
    ] {
        create(&stage, name, &spec);
        stage.settled().await;
        let ready = stage.condition_of(name, conditions::READY);
        assert_eq!(ready["reason"], "Refused", "{ready}");
        let words = ready["message"].as_str().unwrap();
        let said = format!("{field}: demo.lb.example:6443 is the endpoint of acme/demo");
        assert!(words.starts_with(&said), "{words}");
        let plane = plane_namespace_name(PROJECT, name);
        assert!(stage.planes.get("Namespace", "", &plane).is_none(), "something of it is made");
    }
    assert!(stage.is_settled(), "{:#}", status(&stage));
    let id = Id::new(Kind::named("TenantCluster"), PROJECT, "second");
    let port = json!({"external": {"port": 6444}});
    stage.projects.patch(&id, &json!({"spec": {"expose": port}}));
    stage.settled().await;
    let second = stage.projects.get("TenantCluster", PROJECT, "second").unwrap();
    assert_eq!(second["status"]["endpoint"], "demo.lb.example:6444");
}

#[tokio::test(start_paused = true)]
async fn until_it_was_healthy_class_address_and_type_can_be_corrected() {
    let mut stage = Stage::new();
    let mut spec = balanced();
    spec["expose"]["loadBalancer"] = json!({"class": "example.com/none"});
    waiting(&stage, &spec).await;
    let uid = service(&stage)["metadata"]["uid"].clone();
    change(&stage, &json!({"loadBalancer": {"class": "example.com/right", "address": ANOTHER}}));
    stage.settled().await;
    let made_again = service(&stage);
    assert_ne!(made_again["metadata"]["uid"], uid, "nobody can change the class of a Service");
    assert_eq!(made_again["spec"]["loadBalancerClass"], "example.com/right");
    assert_eq!(made_again["spec"]["loadBalancerIP"], ANOTHER);
    give(&stage, ADDRESS);
    stage.settled().await;
    let words = stage.condition(conditions::READY)["message"].to_string();
    assert!(words.contains("spec.expose.loadBalancer.address is 198.51.100.21"), "{words}");
    let by_port = json!({"type": "NodePort", "loadBalancer": null, "nodePort": {"port": 31_777}});
    change(&stage, &by_port);
    stage.settled().await;
    assert_eq!(service(&stage)["spec"]["type"], "NodePort");
    stage.add_nodes();
    stage.until("it is joinable", Stage::is_settled).await;
    assert_eq!(recorded(&stage, labels::ENDPOINT_ADDRESS), Value::Null);
}

/// Its own port would be taken for the node port, if a pass ended in between.
#[tokio::test(start_paused = true)]
async fn a_type_that_is_corrected_before_birth_leaves_nothing_of_the_other_whatever_write_fails() {
    for number in 1..=6 {
        let stage = Stage::with_nodes();
        waiting(&stage, &balanced()).await;
        stage.planes.plan_fault(number, Fault::Refused(500));
        change(&stage, &json!({"type": "NodePort", "loadBalancer": null}));
        stage.until("it is joinable", Stage::is_settled).await;
        assert!(stage.planes.all_faults_happened(), "write {number} was none");
        let port = &service(&stage)["spec"]["ports"][0]["nodePort"];
        assert_eq!(recorded(&stage, labels::ENDPOINT_PORT), port.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_change_later_restarts_nothing_and_reaches_the_service() {
    let stage = ready().await;
    let before = pods(&stage);
    let asked =
        json!({"annotations": {"example.com/pool": "b"}, "sourceRanges": ["203.0.113.0/24"]});
    change(&stage, &json!({"loadBalancer": asked}));
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
    assert_eq!(service(&stage)["metadata"]["annotations"]["example.com/pool"], "b");
    assert_eq!(service(&stage)["spec"]["loadBalancerSourceRanges"], json!(["203.0.113.0/24"]));
    for (asked, field) in [
        (json!({"port": 443}), "port"),
        (json!({"port": 6443, "class": "example.com/other"}), "class"),
        (json!({"class": null, "address": ANOTHER}), "address"),
    ] {
        change(&stage, &json!({"loadBalancer": asked}));
        stage.settled().await;
        let accepted = stage.condition(conditions::ACCEPTED)["message"].to_string();
        assert!(accepted.contains(&format!("spec.expose.loadBalancer.{field}: ")), "{accepted}");
    }
    change(&stage, &json!({"loadBalancer": {"address": ADDRESS}}));
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
    assert_eq!(pods(&stage), before);
}

#[tokio::test(start_paused = true)]
async fn behind_an_external_one_the_status_says_which_port_to_lead_to_and_that_stays() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&external());
    stage.until("it is joinable", Stage::is_settled).await;
    stage.settled().await;
    let port = service(&stage)["spec"]["ports"][0]["nodePort"].clone();
    assert_eq!(status(&stage)["nodePort"], port);
    assert_eq!(status(&stage)["endpoint"], "demo.lb.example:6443");
    assert_eq!(status(&stage)["addresses"], json!([EXTERNAL_ADDRESS.to_string()]));
    assert_eq!(recorded(&stage, labels::ENDPOINT_NODE_PORT), port.to_string());
    let server = "server: https://demo.lb.example:6443";
    assert!(secret(&stage, "demo-kubeconfig", "value").contains(server));
    let somebody = json!({
        "kind": "Service", "metadata": {"name": "web", "namespace": PROJECT},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    });
    stage.planes.create(&somebody);
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), PUBLIC));
    stage.settled().await;
    assert_eq!(service(&stage)["spec"]["ports"][0]["nodePort"], port);
    let moved = json!({"external": {"addresses": [EXTERNAL_ADDRESS.to_string(), "198.51.100.31"]}});
    change(&stage, &moved);
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
}
