//! A spec that cannot be served is refused by the name of the field, and harms nothing that runs.

use std::sync::Arc;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage, spec, tenant_id};

/// Specs that the schema lets pass, and the field that each is refused for.
fn bad_specs() -> [(&'static str, Value); 4] {
    [
        ("spec.version", json!({"version": "v1.99.0"})),
        (
            "spec.networking.serviceCIDRs",
            json!({"version": "v1.37.1", "networking": {
                "podCIDRs": ["10.0.0.0/8"], "serviceCIDRs": ["10.96.0.0/12"],
            }}),
        ),
        (
            "spec.expose.extraNames[0]",
            json!({"version": "v1.37.1", "expose": {"extraNames": ["Not_A_Name"]}}),
        ),
        (
            "spec.kubelet.clusterDomain",
            json!({"version": "v1.37.1", "kubelet": {"clusterDomain": "elsewhere"}}),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bad_spec_is_refused_by_its_field_and_makes_nothing() {
    for (field, spec) in bad_specs() {
        let stage = Stage::new();
        stage.create_tenant(&spec);
        stage
            .until("an answer", |stage| stage.condition(conditions::ACCEPTED)["status"] == "False")
            .await;
        assert_refused_for(&stage, field);
        assert_eq!(stage.planes.get("Namespace", "", &Stage::plane()), None, "{field}");
        assert_eq!(stage.writes(), [format!("Apply {} status 200", tenant_id())], "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_spec_that_becomes_bad_leaves_all_that_runs_as_it_was() {
    let stage = Stage::ready().await;
    let (before, running) = (stage.writes().len(), all_but_the_tenant(&stage));
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": {"extraNames": ["No_Name"]}}}));
    stage.settled().await;
    assert_refused_for(&stage, "spec.expose.extraNames[0]");
    assert_eq!(stage.condition(conditions::READY)["status"], "True", "nodes can still join");
    assert_eq!(stage.tenant().unwrap()["status"]["observedGeneration"], 2);
    assert_eq!(all_but_the_tenant(&stage), running);
    let status = format!("Apply {} status 200", tenant_id());
    assert!(stage.writes()[before..].iter().all(|write| *write == status));
    stage.projects.patch(&tenant_id(), &json!({"spec": {"expose": {"extraNames": null}}}));
    stage.settled().await;
    assert_eq!(stage.condition(conditions::ACCEPTED)["status"], "True");
    assert_eq!(all_but_the_tenant(&stage), running);
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_disabled_gets_the_managers_rights_back() {
    let stage = Stage::ready().await;
    let binding = || stage.projects.get("RoleBinding", PROJECT, "nagaya-manager");
    assert!(binding().is_some());
    let project = Id::new(Kind::named("Namespace"), "", PROJECT);
    stage.projects.patch(&project, &json!({"metadata": {"labels": {labels::PROJECT: null}}}));
    stage.until("the binding is gone", |_| binding().is_none()).await;
    assert!(stage.planes.get("Namespace", "", &Stage::plane()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_not_enabled_is_refused_until_it_is() {
    let stage = Stage::new();
    let project = Id::new(Kind::named("Namespace"), "", PROJECT);
    stage.projects.patch(&project, &json!({"metadata": {"labels": {labels::PROJECT: null}}}));
    stage.create_tenant(&spec());
    stage
        .until("an answer", |stage| stage.condition(conditions::ACCEPTED)["status"] == "False")
        .await;
    assert_refused_for(&stage, "metadata.namespace");
    assert_eq!(stage.writes(), [format!("Apply {} status 200", tenant_id())]);
    let enabled = json!({labels::PROJECT: labels::PROJECT_ENABLED});
    stage.projects.patch(&project, &json!({"metadata": {"labels": enabled}}));
    stage
        .until("it is accepted", |stage| stage.condition(conditions::ACCEPTED)["status"] == "True")
        .await;
}

fn assert_refused_for(stage: &Stage, field: &str) {
    for kind in [conditions::ACCEPTED, conditions::STALLED] {
        let condition = stage.condition(kind);
        assert_eq!(condition["reason"], "Refused", "{field}: {condition}");
        let message = condition["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{field}: {message}");
    }
}

fn all_but_the_tenant(stage: &Stage) -> Vec<(Id, Arc<Value>)> {
    let mut all = stage.planes.everything();
    all.retain(|(id, _)| *id != tenant_id());
    all
}
