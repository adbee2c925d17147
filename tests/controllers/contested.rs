//! Somebody undoes each write of ours: it is named, writes get rare, and it ends by itself.

use std::time::Duration;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::memory_api::{Id, Kind, MemoryApi};
use crate::stage::Stage;

/// How soon a rival strikes again.
const STRIKE: Duration = Duration::from_millis(100);
const LIMIT: &str = "/spec/revisionHistoryLimit";

#[tokio::test(start_paused = true)]
async fn a_client_that_undoes_each_write_is_named_and_written_against_less_and_less() {
    let stage = Stage::ready().await;
    let before = stage.writes().len();
    let rival = strike(stage.planes.clone());
    sleep(Duration::from_mins(2)).await;
    let condition = stage.condition(conditions::RECONCILING);
    assert_eq!(condition["reason"], "FieldContested");
    let message = condition["message"].as_str().unwrap();
    let object = format!("StatefulSet {}/kube-scheduler", Stage::plane());
    for part in [&object, "spec.revisionHistoryLimit", "field manager somebody-else", "since 20"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    let writes = stage.writes().split_off(before);
    let of_set = writes.iter().filter(|write| write.contains("kube-scheduler")).count();
    assert!((8..=14).contains(&of_set), "{of_set} writes in two minutes: {writes:#?}");
    let of_status = writes.iter().filter(|write| write.contains(" status ")).count();
    assert!(of_status <= 3, "{of_status} writes of the status: {writes:#?}");
    rival.abort();
    stage.until("it is over", |stage| stage.condition(conditions::RECONCILING).is_null()).await;
    assert_eq!(limit(&stage), 2);
}

#[tokio::test(start_paused = true)]
async fn admission_that_changes_our_write_is_named_and_undone_when_it_ends() {
    let stage = Stage::ready().await;
    stage.planes.create(&configuration("injector", "StatefulSet")).unwrap();
    stage.planes.create(&configuration("other", "Deployment")).unwrap();
    let before = stage.writes().len();
    let message = altered(&stage).await;
    let webhook = "by webhook injector.example.com of MutatingWebhookConfiguration injector (since";
    for part in ["spec.revisionHistoryLimit", webhook] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    sleep(Duration::from_mins(2)).await;
    assert_eq!(looks(&stage), 1, "looked up when it begins, not with each write");
    let writes = stage.writes().split_off(before);
    assert!(writes.len() <= 12, "{writes:#?}");
    stage.planes.mutate(&scheduler(), None);
    stage.until("it is over", |stage| stage.condition(conditions::RECONCILING).is_null()).await;
    assert_eq!(limit(&stage), 2);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_our_write_is_named_with_what_binds_it() {
    let stage = Stage::ready().await;
    for object in policy("pinned", "StatefulSet") {
        stage.planes.create(&object).unwrap();
    }
    let message = altered(&stage).await;
    let named = "by MutatingAdmissionPolicy pinned (bound by pinned)";
    assert!(message.contains(named), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_may_not_look_who_it_is_says_so_and_goes_on() {
    let stage = Stage::ready().await;
    stage.planes.forbid("MutatingWebhookConfiguration");
    let message = altered(&stage).await;
    let named = "by a mutating admission webhook or policy (which one is not known: \
                 cannot list mutatingwebhookconfigurations: ";
    assert!(message.contains(named), "{message}");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    stage.planes.mutate(&scheduler(), None);
    stage.until("it is over", |stage| stage.condition(conditions::RECONCILING).is_null()).await;
    assert_eq!(looks(&stage), 1);
}

/// Has admission change a field of ours, and returns what is said of it.
async fn altered(stage: &Stage) -> String {
    stage.planes.mutate(&scheduler(), Some((LIMIT, json!(7))));
    stage.planes.patch(&scheduler(), &json!({"metadata": {"annotations": {"touched": "yes"}}}));
    stage
        .until("it is named", |stage| {
            stage.condition(conditions::RECONCILING)["reason"] == "FieldContested"
        })
        .await;
    stage.condition(conditions::RECONCILING)["message"].as_str().unwrap().to_owned()
}

/// How often somebody asked which webhooks there are.
fn looks(stage: &Stage) -> usize {
    let asked = stage.planes.asked();
    asked.iter().filter(|asked| asked.id.kind == "MutatingWebhookConfiguration").count()
}

/// A webhook of control-plane namespaces.
fn configuration(name: &str, kind: &str) -> Value {
    json!({
        "kind": "MutatingWebhookConfiguration", "metadata": {"name": name},
        "webhooks": [{
            "name": format!("{name}.example.com"), "rules": [rule(kind)], "clientConfig": {},
            "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchLabels": {labels::CONTROL_PLANE: "true"}},
        }],
    })
}

/// A policy, and what has it work everywhere.
fn policy(name: &str, kind: &str) -> [Value; 2] {
    let constraints = json!({"resourceRules": [rule(kind)]});
    [
        json!({
            "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {"matchConstraints": constraints, "reinvocationPolicy": "Never", "mutations": []},
        }),
        json!({
            "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name},
        }),
    ]
}

fn rule(kind: &str) -> Value {
    let Kind { group, version, plural, .. } = Kind::named(kind);
    json!({
        "apiGroups": [group], "apiVersions": [version], "resources": [plural], "operations": ["UPDATE"],
    })
}

/// Changes a field of ours as soon as it is as we want it.
fn strike(planes: MemoryApi) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let live = planes.get("StatefulSet", &Stage::plane(), "kube-scheduler").unwrap();
            if live.pointer(LIMIT) == Some(&json!(2)) {
                planes.patch(&scheduler(), &json!({"spec": {"revisionHistoryLimit": 7}}));
            }
            sleep(STRIKE).await;
        }
    })
}

fn scheduler() -> Id {
    Id::new(Kind::named("StatefulSet"), &Stage::plane(), "kube-scheduler")
}

fn limit(stage: &Stage) -> i64 {
    let live = stage.planes.get("StatefulSet", &Stage::plane(), "kube-scheduler").unwrap();
    live.pointer(LIMIT).unwrap().as_i64().unwrap()
}
