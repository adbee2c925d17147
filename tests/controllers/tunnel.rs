//! The tunnel of a tenant behind the gateway: made with it, gone with it, and its server replaced with its certificate.

use std::sync::Arc;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

const SERVER: &str = "konnectivity-server";
const SECRET: &str = "konnectivity-server-certs";
const HOST: &str = "konnectivity.demo.acme.k8s.example.com";

async fn ready() -> Stage {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1", "expose": {"type": "Gateway"}}));
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage
}

fn in_plane(stage: &Stage, kind: &str, name: &str) -> Option<Arc<Value>> {
    stage.planes.get(kind, &Stage::plane(), name)
}

fn agents(stage: &Stage) -> Option<Arc<Value>> {
    stage.inside.get("DaemonSet", "kube-system", "konnectivity-agent")
}

/// The digest on the template of kube-apiserver, and the template's revision.
fn template(stage: &Stage) -> [Value; 2] {
    let found = in_plane(stage, "Deployment", "kube-apiserver").unwrap();
    let annotations = &found["spec"]["template"]["metadata"]["annotations"];
    [labels::TUNNEL_CERTIFICATE, labels::RENDER_REVISION].map(|key| annotations[key].clone())
}

#[tokio::test(start_paused = true)]
async fn a_tenant_behind_the_gateway_has_a_server_a_route_and_agents() {
    let stage = ready().await;
    let service = in_plane(&stage, "Service", SERVER).unwrap();
    assert_eq!(service["metadata"]["annotations"][labels::GATEWAY_HOSTS], HOST);
    assert!(in_plane(&stage, "Secret", SECRET).is_some());
    assert!(template(&stage)[0].is_string());
    assert!(agents(&stage).is_some());
    stage.planes.delete(&Id::new(Kind::named("Service"), &Stage::plane(), SERVER));
    stage.settled().await;
    assert!(in_plane(&stage, "Service", SERVER).is_some(), "it comes back");
}

#[tokio::test(start_paused = true)]
async fn by_a_node_port_there_is_none_of_it() {
    let stage = Stage::ready().await;
    assert_eq!(in_plane(&stage, "Service", SERVER), None);
    assert_eq!(in_plane(&stage, "Secret", SECRET), None);
    assert_eq!(template(&stage)[0], Value::Null);
    assert_eq!(agents(&stage), None);
}

#[tokio::test(start_paused = true)]
async fn another_certificate_replaces_kube_apiserver_though_its_template_is_the_same() {
    let mut stage = ready().await;
    let [digest, revision] = template(&stage);
    stage.kill_manager();
    stage.planes.delete(&Id::new(Kind::named("Secret"), &Stage::plane(), SECRET));
    stage.start_manager();
    stage.settled().await;
    let [now, same] = template(&stage);
    assert!(now.is_string() && now != digest, "{now}");
    assert_eq!(same, revision);
    assert!(stage.is_settled());
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_starts_finds_nothing_to_do() {
    let mut stage = ready().await;
    let before = in_plane(&stage, "Deployment", "kube-apiserver").unwrap();
    stage.kill_manager();
    stage.start_manager();
    stage.settled().await;
    assert_eq!(in_plane(&stage, "Deployment", "kube-apiserver").unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn agents_that_are_handed_over_are_the_tenants_and_nothing_restarts() {
    let stage = ready().await;
    let before = template(&stage);
    let unmanaged = json!({"spec": {"addons": {"konnectivity": {"management": "Unmanaged"}}}});
    stage.projects.patch(&tenant_id(), &unmanaged);
    stage.settled().await;
    assert!(agents(&stage).is_some(), "they were taken away");
    let agent = Id::new(Kind::named("DaemonSet"), "kube-system", "konnectivity-agent");
    stage.inside.delete(&agent);
    stage.touch();
    stage.settled().await;
    assert_eq!(agents(&stage), None, "they were written");
    assert_eq!(template(&stage), before);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_corrected_takes_the_route_along() {
    let mut stage = Stage::new();
    stage.create_tenant(&json!({"version": "v1.37.1", "expose": {"type": "Gateway"}}));
    stage.settled().await;
    assert!(in_plane(&stage, "Service", SERVER).is_some());
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": {"type": "NodePort"}}}));
    stage.settled().await;
    assert_eq!(in_plane(&stage, "Service", SERVER), None);
    // Its pods are replaced after etcd's, which do not start without a node.
    stage.add_nodes();
    stage
        .until("it is Ready", |stage| stage.condition(conditions::READY)["status"] == "True")
        .await;
    stage.settled().await;
    assert_eq!(template(&stage)[0], Value::Null);
}
