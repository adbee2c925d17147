//! A cluster with nodes moves to a load balancer, between two, and away: until an address is given nothing changes, and what was
//! given once is kept until the operator ends it.

use nagaya_api::conditions;
use nagaya_render::plane::plane_namespace_name;
use serde_json::{Value, json};

use crate::expose_move::{
    FIRST, SECOND, ask, assert_handed_out, change, endpoint, node_port, service, status,
    with_a_node,
};
use crate::load_balancers::{self, ADDRESS, create, external, give_to, pods};
use crate::memory_api::{Id, Kind, NODE_ADDRESS};
use crate::stage::{PROJECT, Stage, TENANT, tenant_id};

const BALANCED: &str = "198.51.100.20:6443";
const OUTSIDE: &str = "demo.lb.example:6443";

fn give_to_second(stage: &Stage) {
    give_to(stage, (&Stage::plane(), SECOND), ADDRESS);
}

/// What nodes and the manager's successors read: the record, cluster-info, the addresses for pods.
fn said(stage: &Stage) -> [Value; 3] {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    let info = stage.inside.get("ConfigMap", "kube-public", "cluster-info").unwrap();
    let pods = stage.inside.get("Endpoints", "default", "kubernetes").unwrap();
    [plane["metadata"]["annotations"].clone(), info["data"].clone(), pods["subsets"].clone()]
}

fn end(former: &str) -> Value {
    json!({"retiredEndpoint": former})
}

fn to_external() -> Value {
    let mut expose = external()["expose"].clone();
    expose["retiredEndpoint"] = Value::Null;
    expose["loadBalancer"] = Value::Null;
    expose
}

#[tokio::test(start_paused = true)]
async fn until_an_address_is_given_all_is_as_it_was_and_then_the_cluster_moves() {
    let (stage, old) = with_a_node().await;
    let (before, running, port) = (said(&stage), pods(&stage), node_port(&stage, FIRST));
    change(&stage, &json!({"type": "LoadBalancer"})).await;
    assert_eq!(service(&stage, SECOND).unwrap()["spec"]["type"], "LoadBalancer");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    let waits = stage.condition(conditions::RECONCILING);
    assert_eq!(waits["reason"], "LoadBalancerPending", "{waits}");
    let words = waits["message"].as_str().unwrap();
    assert!(words.contains(&old) && words.contains(SECOND), "{words}");
    assert_eq!((said(&stage), pods(&stage)), (before, running));
    assert_eq!((endpoint(&stage), status(&stage, "formerEndpoint")), (old.clone(), Value::Null));
    let writes = stage.count_writes();
    stage.touch();
    stage.settled().await;
    assert_eq!(stage.count_writes(), writes, "it waits without a write");
    give_to_second(&stage);
    stage.settled().await;
    assert_handed_out(&stage, BALANCED);
    assert_eq!(node_port(&stage, FIRST), port, "it is kept");
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], old);
    assert_eq!(status(&stage, "formerEndpoint")["nodes"], json!(["old"]));
    change(&stage, &end(&old)).await;
    assert_eq!(service(&stage, FIRST), None);
    assert_handed_out(&stage, BALANCED);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_can_be_taken_back_and_nothing_is_lost() {
    let (stage, old) = with_a_node().await;
    let (before, running) = (said(&stage), pods(&stage));
    let mut made = Value::Null;
    for class in [json!("example.com/none"), json!("example.com/other"), Value::Null] {
        change(&stage, &json!({"type": "LoadBalancer", "loadBalancer": {"class": class}})).await;
        let waits = service(&stage, SECOND).unwrap();
        assert_eq!(waits["spec"]["loadBalancerClass"], class, "the class is corrected");
        assert_ne!(waits["metadata"]["uid"], made, "by a Service that is made anew");
        made = waits["metadata"]["uid"].clone();
        let waits = stage.condition(conditions::RECONCILING);
        assert_eq!(waits["reason"], "LoadBalancerPending", "{waits}");
    }
    change(&stage, &json!({"type": "NodePort", "loadBalancer": null})).await;
    assert_eq!(service(&stage, SECOND), None);
    assert_eq!((said(&stage), pods(&stage)), (before, running));
    assert_handed_out(&stage, &old);
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_an_address_of_ipv6_becomes_an_endpoint_of_ipv4_by_a_service_of_its_own() {
    let (stage, old) = with_a_node().await;
    let asked = json!({"address": "2001:db8::20"});
    change(&stage, &json!({"type": "LoadBalancer", "loadBalancer": asked})).await;
    let waits = service(&stage, SECOND).unwrap();
    assert_eq!(waits["spec"]["ipFamilies"], json!(["IPv6"]));
    change(&stage, &to_external()).await;
    let made = service(&stage, SECOND).unwrap();
    assert_eq!(
        (&made["spec"]["type"], &made["spec"]["ipFamilies"]),
        (&json!("NodePort"), &json!(["IPv4"]))
    );
    assert_ne!(made["metadata"]["uid"], waits["metadata"]["uid"]);
    assert_handed_out(&stage, OUTSIDE);
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], old);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_paused_while_it_waits_moves_afterwards() {
    let (stage, old) = with_a_node().await;
    change(&stage, &json!({"type": "LoadBalancer"})).await;
    let pause = |paused: bool| {
        stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": paused}}));
    };
    pause(true);
    give_to_second(&stage);
    stage.settled().await;
    assert_eq!((endpoint(&stage), status(&stage, "formerEndpoint")), (old, Value::Null));
    pause(false);
    stage.settled().await;
    assert_handed_out(&stage, BALANCED);
}

/// The load balancer has given an address, and the operator wants that of another one, which is not there yet.
#[tokio::test(start_paused = true)]
async fn the_address_of_a_class_that_was_corrected_is_not_taken() {
    let (stage, old) = with_a_node().await;
    let of_class = |class: &str| json!({"type": "LoadBalancer", "loadBalancer": {"class": class}});
    change(&stage, &of_class("example.com/wrong")).await;
    let uid = service(&stage, SECOND).unwrap()["metadata"]["uid"].clone();
    // No pass is between.
    ask(&stage, &of_class("example.com/right"));
    give_to_second(&stage);
    stage.settled().await;
    assert_eq!(endpoint(&stage), old);
    let made_again = service(&stage, SECOND).unwrap();
    assert_ne!(made_again["metadata"]["uid"], uid);
    assert_eq!(made_again["spec"]["loadBalancerClass"], "example.com/right");
    give_to(&stage, (&Stage::plane(), SECOND), "198.51.100.21");
    stage.settled().await;
    assert_eq!(endpoint(&stage), "198.51.100.21:6443");
}

fn hold(stage: &Stage, finalizers: &Value) {
    let id = Id::new(Kind::named("Service"), &Stage::plane(), SECOND);
    stage.planes.patch(&id, &json!({"metadata": {"finalizers": finalizers}}));
}

/// Besides another endpoint.
fn scale(stage: &Stage) {
    let replicas = json!({"spec": {"controlPlane": {"replicas": 2}}});
    stage.projects.patch(&tenant_id(), &replicas);
}

fn is_scaled(stage: &Stage) -> bool {
    let live = stage.planes.get("Deployment", &Stage::plane(), "kube-apiserver").unwrap();
    live["spec"]["replicas"] == 2
}

fn reason(stage: &Stage) -> Value {
    stage.condition(conditions::RECONCILING)["reason"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_held_at_its_end_is_waited_for_in_words_and_hinders_nothing_else() {
    let (stage, old) = with_a_node().await;
    let of_class = |class: &str| json!({"type": "LoadBalancer", "loadBalancer": {"class": class}});
    change(&stage, &of_class("example.com/none")).await;
    hold(&stage, &json!(["example.com/slow"]));
    ask(&stage, &of_class("example.com/other"));
    scale(&stage);
    stage.settled().await;
    assert!(is_scaled(&stage));
    let words = stage.condition(conditions::RECONCILING)["message"].to_string();
    assert!(words.contains("which its finalizers hold (example.com/slow)"), "{words}");
    let writes = stage.count_writes();
    stage.touch();
    stage.settled().await;
    assert_eq!(stage.count_writes(), writes, "it is deleted once");
    hold(&stage, &Value::Null);
    stage.settled().await;
    let made_again = service(&stage, SECOND).unwrap();
    assert_eq!(made_again["spec"]["loadBalancerClass"], "example.com/other");
    assert_eq!(endpoint(&stage), old);
}

/// Its node port would be somebody else's as soon as it is gone.
#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_of_a_service_that_goes() {
    let (stage, old) = with_a_node().await;
    change(&stage, &json!({"type": "LoadBalancer"})).await;
    hold(&stage, &json!(["example.com/slow"]));
    change(&stage, &json!({"type": "NodePort"})).await;
    ask(&stage, &to_external());
    stage.until("it says what holds it", |stage| reason(stage) == "ServiceHeld").await;
    assert_eq!(service(&stage, SECOND).unwrap()["spec"]["type"], "LoadBalancer");
    assert_eq!(endpoint(&stage), old);
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    hold(&stage, &Value::Null);
    stage.settled().await;
    assert_eq!(endpoint(&stage), OUTSIDE);
    assert_eq!(status(&stage, "nodePort"), node_port(&stage, SECOND));
}

/// Of a name that Nagaya needs.
fn put_in_the_way(stage: &Stage, name: &str) {
    let theirs = json!({
        "kind": "Service", "metadata": {"name": name, "namespace": Stage::plane()},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}]},
    });
    stage.planes.create(&theirs).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_made_is_said_and_hinders_nothing_else() {
    let (stage, old) = with_a_node().await;
    put_in_the_way(&stage, SECOND);
    ask(&stage, &json!({"type": "LoadBalancer"}));
    scale(&stage);
    let said = |stage: &Stage| reason(stage) == "ForeignObject" && is_scaled(stage);
    stage.until("it is said, and all else done", said).await;
    assert_eq!(endpoint(&stage), old);
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_service_cannot_be_made_can_be_taken_back() {
    let (stage, old) = with_a_node().await;
    change(&stage, &to_external()).await;
    change(&stage, &end(&old)).await;
    let port = status(&stage, "nodePort");
    put_in_the_way(&stage, FIRST);
    ask(&stage, &json!({"external": {"host": "new.lb.example"}, "retiredEndpoint": null}));
    stage.until("it is recorded", |stage| reason(stage) == "ForeignObject").await;
    change(&stage, &json!({"external": {"host": "demo.lb.example"}})).await;
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!((endpoint(&stage), status(&stage, "formerEndpoint")), (OUTSIDE.into(), Value::Null));
    assert_eq!((status(&stage, "nodePort"), node_port(&stage, SECOND)), (port.clone(), port));
}

/// Its record was made with a port.
#[tokio::test(start_paused = true)]
async fn so_can_that_of_a_cluster_that_was_born_outside() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&external());
    stage.settled().await;
    put_in_the_way(&stage, SECOND);
    ask(&stage, &json!({"external": {"host": "new.lb.example"}}));
    stage.until("it is recorded", |stage| reason(stage) == "ForeignObject").await;
    change(&stage, &json!({"external": {"host": "demo.lb.example"}})).await;
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!((endpoint(&stage), status(&stage, "formerEndpoint")), (OUTSIDE.into(), Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_starts_while_an_address_is_awaited_goes_on_waiting() {
    let (mut stage, old) = with_a_node().await;
    change(&stage, &json!({"type": "LoadBalancer"})).await;
    let uid = service(&stage, SECOND).unwrap()["metadata"]["uid"].clone();
    stage.kill_manager();
    stage.start_manager();
    stage.settled().await;
    assert_eq!(service(&stage, SECOND).unwrap()["metadata"]["uid"], uid);
    assert_eq!(endpoint(&stage), old);
    give_to_second(&stage);
    stage.until("it has moved", |stage| endpoint(stage) == BALANCED).await;
}

#[tokio::test(start_paused = true)]
async fn the_address_of_before_is_kept_until_it_is_ended_and_is_nobody_elses() {
    let stage = load_balancers::ready().await;
    change(&stage, &to_external()).await;
    assert_eq!(endpoint(&stage), OUTSIDE);
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!(status(&stage, "nodePort"), node_port(&stage, SECOND));
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], BALANCED);
    assert_eq!(service(&stage, FIRST).unwrap()["spec"].get("loadBalancerIP"), None);
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), FIRST));
    stage.settled().await;
    let again = service(&stage, FIRST).unwrap();
    assert_eq!(again["spec"]["loadBalancerIP"], ADDRESS);
    assert_eq!(again["spec"]["ports"][0]["port"], 6443);

    create(&stage, "other", &load_balancers::balanced());
    stage.settled().await;
    let plane = plane_namespace_name(PROJECT, "other");
    give_to(&stage, (&plane, FIRST), ADDRESS);
    stage.settled().await;
    let words = stage.condition_of("other", conditions::READY)["message"].to_string();
    assert!(words.contains("which is the endpoint of acme/demo"), "{words}");
    change(&stage, &end(BALANCED)).await;
    assert_eq!(service(&stage, FIRST), None);
    let has_it = |stage: &Stage| {
        let other = stage.projects.get("TenantCluster", PROJECT, "other").unwrap_or_default();
        other["status"]["endpoint"] == BALANCED
    };
    stage.until("the other one gets it", has_it).await;
}

#[tokio::test(start_paused = true)]
async fn the_way_back_to_a_load_balancer_and_from_it_to_a_port() {
    let stage = load_balancers::ready().await;
    change(&stage, &to_external()).await;
    let node_port_outside = node_port(&stage, SECOND);
    change(&stage, &json!({"type": "LoadBalancer", "external": null})).await;
    assert_eq!(endpoint(&stage), BALANCED);
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
    assert_eq!(node_port(&stage, SECOND), node_port_outside, "the port outside is kept too");
    change(&stage, &end(OUTSIDE)).await;
    change(&stage, &json!({"type": "NodePort", "retiredEndpoint": null})).await;
    assert_eq!(endpoint(&stage), format!("{NODE_ADDRESS}:{}", node_port(&stage, SECOND)));
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], BALANCED);
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap());
}

#[tokio::test(start_paused = true)]
async fn another_load_balancer_outside_is_a_move_too() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&external());
    stage.settled().await;
    let port = status(&stage, "nodePort");
    change(&stage, &json!({"external": {"host": "new.lb.example"}})).await;
    assert_eq!(endpoint(&stage), "new.lb.example:6443");
    assert_eq!(status(&stage, "formerEndpoint")["endpoint"], OUTSIDE);
    assert_eq!(node_port(&stage, FIRST), port, "what leads there is as it was");
    assert_eq!(status(&stage, "nodePort"), node_port(&stage, SECOND));
    change(&stage, &json!({"external": {"host": "third.lb.example"}})).await;
    let stalled = stage.condition(conditions::STALLED)["message"].to_string();
    assert!(stalled.contains("spec.expose.external.host: "), "{stalled}");
    assert_eq!(endpoint(&stage), "new.lb.example:6443");
}

#[tokio::test(start_paused = true)]
async fn two_that_move_to_one_place_at_once_do_not_both_get_it() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1"}));
    create(&stage, "twin", &json!({"version": "v1.37.1"}));
    stage.settled().await;
    for name in [TENANT, "twin"] {
        let id = Id::new(Kind::named("TenantCluster"), PROJECT, name);
        stage.projects.patch(&id, &json!({"spec": {"expose": to_external()}}));
    }
    stage.settled().await;
    let of = |name: &str| stage.projects.get("TenantCluster", PROJECT, name).unwrap();
    let got = [TENANT, "twin"].map(|name| of(name)["status"]["endpoint"] == OUTSIDE);
    assert_eq!(got.iter().filter(|got| **got).count(), 1, "{got:?}");
    let refused = if got[0] { "twin" } else { TENANT };
    let stalled = stage.condition_of(refused, conditions::STALLED)["message"].to_string();
    assert!(stalled.contains("spec.expose.external.host: demo.lb.example:6443 is"), "{stalled}");
    assert_eq!(stage.condition_of(refused, conditions::READY)["status"], "True");
}
