//! A node port that a tenant's machines use is nobody else's, also while its Service is away and Kubernetes would hand it on.

use nagaya_api::conditions;
use nagaya_render::plane::plane_namespace_name;
use serde_json::{Value, json};

use crate::expose_move::{FIRST, node_port};
use crate::load_balancers::{balanced, create};
use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage, spec, tenant_id};

const OTHER: &str = "other";

fn pause(stage: &Stage, paused: bool) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": paused}}));
}

/// A born tenant whose Service somebody has deleted while nobody makes it again, and its port.
async fn without_its_service() -> (Stage, Value) {
    let stage = Stage::ready().await;
    let port = node_port(&stage, FIRST);
    pause(&stage, true);
    stage.settled().await;
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), FIRST));
    stage.planes.give_another_port();
    (stage, port)
}

fn port_of_other(stage: &Stage) -> Option<Value> {
    let service = stage.planes.get("Service", &plane_namespace_name(PROJECT, OTHER), FIRST)?;
    Some(service["spec"]["ports"][0]["nodePort"].clone())
}

#[tokio::test(start_paused = true)]
async fn one_that_kubernetes_takes_from_another_tenant_is_given_back() {
    let (stage, port) = without_its_service().await;
    create(&stage, OTHER, &spec());
    stage
        .until("it has another one", |stage| port_of_other(stage).is_some_and(|own| own != port))
        .await;
    pause(&stage, false);
    stage.until("the first has its own again", |stage| node_port(stage, FIRST) == port).await;
    stage.until("the first is joinable", Stage::is_settled).await;
}

/// Kubernetes opens one for a Service of type `LoadBalancer` too.
#[tokio::test(start_paused = true)]
async fn nor_does_a_load_balancer_lead_through_it() {
    let (stage, port) = without_its_service().await;
    create(&stage, OTHER, &balanced());
    stage
        .until("it has another one", |stage| port_of_other(stage).is_some_and(|own| own != port))
        .await;
    stage.settled().await;
    assert_ne!(port_of_other(&stage), Some(port));
}

#[tokio::test(start_paused = true)]
async fn one_that_another_tenant_has_is_refused_to_who_asks_for_it() {
    let (stage, port) = without_its_service().await;
    let mut asking = spec();
    asking["expose"] = json!({"type": "NodePort", "nodePort": {"port": port}});
    create(&stage, OTHER, &asking);
    let words = format!("spec.expose.nodePort.port: {port} is the node port of acme/demo");
    stage.settled().await;
    let accepted = stage.condition_of(OTHER, conditions::ACCEPTED)["message"].to_string();
    assert!(accepted.contains(&words), "{accepted}");
    assert_eq!(port_of_other(&stage), None);
}
