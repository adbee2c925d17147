//! A `JoinToken` is handed out for a cluster that can be joined, says why if not, and goes without a trace.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage, TENANT, spec};

#[tokio::test(start_paused = true)]
async fn a_token_for_no_cluster_says_so_and_makes_nothing() {
    let stage = Stage::new();
    create_token(&stage, "missing");
    stage.until("an answer", |stage| issued(stage)["reason"] == "NoCluster").await;
    let message = issued(&stage)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("spec.clusterName: "), "{message}");
    assert_eq!(stage.writes(), [format!("Apply {} status 200", token_id())]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_there_before_its_cluster_is_issued_when_that_comes() {
    let mut stage = Stage::new();
    create_token(&stage, TENANT);
    stage.until("an answer", |stage| issued(stage)["reason"] == "NoCluster").await;
    stage.add_nodes();
    stage.create_tenant(&spec());
    stage.until("it is issued", |stage| issued(stage)["status"] == "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_in_the_tenant_and_in_the_project_until_it_is_deleted() {
    let stage = Stage::ready().await;
    create_token(&stage, TENANT);
    stage.until("it is issued", |stage| issued(stage)["status"] == "True").await;
    let in_tenant = token_in_tenant(&stage);
    let is_in_tenant = |stage: &Stage| stage.inside.get("Secret", "kube-system", &in_tenant);
    let is_in_project = |stage: &Stage| stage.projects.get("Secret", PROJECT, "vms-join");
    assert!(is_in_tenant(&stage).is_some() && is_in_project(&stage).is_some());
    stage.projects.delete(&token_id());
    stage
        .until("the token is gone", |stage| {
            stage.projects.get("JoinToken", PROJECT, "vms").is_none()
        })
        .await;
    assert_eq!((is_in_tenant(&stage), is_in_project(&stage)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_secret_somebody_deletes_is_replaced_and_the_one_before_ends() {
    let stage = Stage::ready().await;
    create_token(&stage, TENANT);
    stage.until("it is issued", |stage| issued(stage)["status"] == "True").await;
    let first = token_in_tenant(&stage);
    stage.projects.delete(&Id::new(Kind::named("Secret"), PROJECT, "vms-join"));
    stage.until("there is another", |stage| token_in_tenant(stage) != first).await;
    assert!(stage.inside.get("Secret", "kube-system", &token_in_tenant(&stage)).is_some());
    assert_eq!(stage.inside.get("Secret", "kube-system", &first), None);
}

/// The name of its Secret there, as the status has it.
fn token_in_tenant(stage: &Stage) -> String {
    let token = stage.projects.get("JoinToken", PROJECT, "vms").unwrap();
    format!("bootstrap-token-{}", token["status"]["tokenID"].as_str().unwrap())
}

fn create_token(stage: &Stage, cluster: &str) {
    let token = json!({
        "kind": "JoinToken", "metadata": {"name": "vms", "namespace": PROJECT},
        "spec": {"clusterName": cluster},
    });
    stage.projects.create(&token).unwrap();
}

pub fn token_id() -> Id {
    Id::new(Kind::named("JoinToken"), PROJECT, "vms")
}

/// The object, its Secret, and every token that was ever made for it.
pub fn is_gone(stage: &Stage) -> bool {
    let ours = STANDARD.encode(format!("issued by Nagaya for JoinToken {PROJECT}/vms"));
    let is_ours = |secret: &Value| secret["data"]["description"] == *ours;
    stage.projects.get("JoinToken", PROJECT, "vms").is_none()
        && stage.projects.get("Secret", PROJECT, "vms-join").is_none()
        && !stage.inside.all("Secret", Some("kube-system")).iter().any(|one| is_ours(one))
}

pub fn issued(stage: &Stage) -> Value {
    let token = stage.projects.get("JoinToken", PROJECT, "vms").unwrap_or_default();
    token["status"]["conditions"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn the_last_machine_that_showed_a_token_is_told_and_many_cost_few_writes() {
    let stage = Stage::ready().await;
    create_token(&stage, TENANT);
    stage.until("it is issued", |stage| issued(stage)["status"] == "True").await;
    let token = stage.projects.get("JoinToken", PROJECT, "vms").unwrap();
    let token = token["status"]["tokenID"].as_str().unwrap().to_owned();
    show(&stage, &token, "vm-0");
    stage.until("it is told", |stage| last_attempt(stage)["node"] == "vm-0").await;
    assert_eq!(last_attempt(&stage)["outcome"], "Issued");
    let told =
        |stage: &Stage| stage.writes().iter().filter(|one| one.contains("JoinToken")).count();
    let before = told(&stage);
    for number in 1..=50 {
        show(&stage, &token, &format!("vm-{number}"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    show(&stage, "foreign", "stranger");
    show(&stage, &token, "vm-last");
    stage.clock.set_ahead(SignedDuration::from_secs(10));
    stage.until("the last is told", |stage| last_attempt(stage)["node"] == "vm-last").await;
    let written = told(&stage) - before;
    assert_eq!(written, 1);
}

fn show(stage: &Stage, token: &str, node: &str) {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{node}"));
    let pem = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    let request = json!({
        "kind": "CertificateSigningRequest", "metadata": {"name": format!("csr-{node}")},
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "request": STANDARD.encode(pem),
            "username": format!("system:bootstrap:{token}"),
        },
    });
    stage.inside.create(&request).unwrap();
}

fn last_attempt(stage: &Stage) -> Value {
    let token = stage.projects.get("JoinToken", PROJECT, "vms").unwrap();
    token["status"]["lastAttempt"].clone()
}
