//! Apply, create and delete.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use nagaya::kube_ops::apply::APPLIED_DIGEST;
use nagaya::kube_ops::{
    Applied, Created, Error, apply, apply_in_project, create_once, delete, take_over,
};
use serde_json::{Value, json};

use crate::scripted_api::{ScriptedApi, refusal};
use crate::{foreign, json_of, live, wanted};

const SECRETS: &str = "/api/v1/namespaces/acme/secrets";
const SECRET: &str = "/api/v1/namespaces/acme/secrets/demo-kubeconfig";

fn secrets(api: &ScriptedApi) -> Api<Secret> {
    Api::namespaced(api.client(), "acme")
}

/// The digest that an apply of `wanted` writes.
async fn digest() -> String {
    let api = ScriptedApi::answering(&[(200, json_of(&live("")))]);
    apply(&secrets(&api), Some(&live("stale")), &wanted()).await.unwrap();
    api.asked()[0].body["metadata"]["annotations"][APPLIED_DIGEST].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_already_there_is_not_written() {
    let api = ScriptedApi::default();
    let applied = apply(&secrets(&api), Some(&live(&digest().await)), &wanted()).await.unwrap();
    assert_eq!(applied, Applied::Unchanged);
    assert_eq!(api.asked(), []);
}

#[tokio::test]
async fn another_wish_is_one_forced_apply_to_exactly_the_object_that_was_seen() {
    let api = ScriptedApi::answering(&[(200, json_of(&live("")))]);
    apply(&secrets(&api), Some(&live("of another wish")), &wanted()).await.unwrap();
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].what, format!("PATCH {SECRET}"));
    assert!(asked[0].query.contains("force=true"), "{}", asked[0].query);
    assert!(asked[0].query.contains("fieldManager=nagaya"), "{}", asked[0].query);
    assert_eq!(asked[0].body["metadata"]["uid"], "live-1");
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "7");
}

/// What an apply to an outdated `live` comes to if the object is `newer`, and what was asked.
async fn apply_to_outdated(newer: (u16, Value)) -> (Result<Applied<Secret>, Error>, Vec<String>) {
    let conflict = (409, refusal(409, "Conflict"));
    let api = ScriptedApi::answering(&[conflict, newer, (200, json_of(&live("")))]);
    let applied = apply(&secrets(&api), Some(&live("stale")), &wanted()).await;
    let asked = api.asked();
    let version = |body: &Value| body["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let asked = asked.iter().map(|one| match version(&one.body) {
        Some(version) => format!("{} at {version}", one.what),
        None => one.what.clone(),
    });
    (applied, asked.collect())
}

#[tokio::test]
async fn an_object_that_changed_since_is_read_once_and_applied_as_it_is_then() {
    let mut newer = live("of another wish");
    newer.metadata.resource_version = Some("8".to_owned());
    let (applied, asked) = apply_to_outdated((200, json_of(&newer))).await;
    assert!(matches!(applied.unwrap(), Applied::Written(_)));
    let expected =
        [format!("PATCH {SECRET} at 7"), format!("GET {SECRET}"), format!("PATCH {SECRET} at 8")];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn an_object_that_changed_into_what_is_wanted_is_not_written_again() {
    let (applied, asked) = apply_to_outdated((200, json_of(&live(&digest().await)))).await;
    assert_eq!(applied.unwrap(), Applied::Unchanged);
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn an_object_that_was_made_again_or_is_gone_is_left_to_the_next_pass() {
    let mut other = live("of another wish");
    other.metadata.uid = Some("live-2".to_owned());
    for answer in [(200, json_of(&other)), (404, refusal(404, "NotFound"))] {
        let (applied, asked) = apply_to_outdated(answer).await;
        assert!(applied.unwrap_err().is_race());
        assert_eq!(asked.len(), 2);
    }
}

#[tokio::test]
async fn a_field_that_somebody_took_from_us_is_taken_back() {
    let api = ScriptedApi::answering(&[(200, json_of(&live("")))]);
    let mut tampered = live(&digest().await);
    let fields = &mut tampered.metadata.managed_fields.as_mut().unwrap()[0].fields_v1;
    fields.as_mut().unwrap().0["f:data"] = json!({"f:other": {}});
    apply(&secrets(&api), Some(&tampered), &wanted()).await.unwrap();
    assert_eq!(api.asked().len(), 1);
}

/// What an autoscaler sets while we decide is not undone by what we had decided.
#[tokio::test]
async fn a_field_that_yields_is_left_to_whom_the_newest_version_says() {
    let mut newer = live("of another wish");
    let theirs = json!([{
        "manager": "autoscaler", "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:value": {}}},
    }]);
    newer.metadata.managed_fields = serde_json::from_value(theirs).unwrap();
    let conflict = (409, refusal(409, "Conflict"));
    let answers = [conflict, (200, json_of(&newer)), (200, json_of(&live("")))];
    let api = ScriptedApi::answering(&answers);
    let seen = live("stale");
    let yields: [&[&str]; 1] = [&["f:data", "f:value"]];
    take_over(&secrets(&api), Some(&seen), &wanted(), &yields).await.unwrap();
    let bodies: Vec<Value> = api.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies[0]["data"], json_of(&wanted())["data"]);
    assert_eq!(bodies[2]["data"], Value::Null);
}

#[tokio::test]
async fn somebody_elses_object_is_refused_without_a_request() {
    let api = ScriptedApi::default();
    let error = apply(&secrets(&api), Some(&foreign()), &wanted()).await.unwrap_err();
    assert_eq!(error.reason(), "ForeignObject");
    assert!(error.to_string().contains("Secret acme/demo-kubeconfig"), "{error}");
    assert_eq!(api.asked(), []);
}

#[tokio::test]
async fn in_a_project_a_missing_object_is_made_by_one_post_that_hits_nobody_elses() {
    let api = ScriptedApi::answering(&[(201, json_of(&live("")))]);
    let applied = apply_in_project(&secrets(&api), None, &wanted()).await.unwrap();
    assert_eq!(applied, Applied::Written(live("")));
    let asked = api.asked();
    let whats: Vec<&str> = asked.iter().map(|asked| asked.what.as_str()).collect();
    assert_eq!(whats, [format!("POST {SECRETS}")]);
    assert_eq!(asked[0].body["data"], json_of(&wanted())["data"]);
    assert_eq!(asked[0].body["metadata"]["annotations"][APPLIED_DIGEST], digest().await);
}

#[tokio::test]
async fn what_was_made_by_post_is_there_and_is_not_written_again() {
    let mut made = live(&digest().await);
    made.metadata.managed_fields.as_mut().unwrap()[0].operation = Some("Update".to_owned());
    let api = ScriptedApi::default();
    let applied = apply_in_project(&secrets(&api), Some(&made), &wanted()).await.unwrap();
    assert_eq!((applied, api.asked()), (Applied::Unchanged, vec![]));
}

#[tokio::test]
async fn in_a_project_an_object_made_meanwhile_is_not_patched() {
    let api = ScriptedApi::answering(&[(409, refusal(409, "AlreadyExists"))]);
    let error = apply_in_project(&secrets(&api), None, &wanted()).await.unwrap_err();
    assert!(error.is_race(), "{error}");
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn what_is_made_once_and_exists_is_read_and_stays() {
    let exists = (409, refusal(409, "AlreadyExists"));
    let api = ScriptedApi::answering(&[exists.clone(), (200, json_of(&live("")))]);
    let created = create_once(&secrets(&api), &wanted()).await.unwrap();
    assert!(matches!(created, Created::Existed(secret) if secret == live("")));
    let api = ScriptedApi::answering(&[exists, (200, json_of(&foreign()))]);
    let error = create_once(&secrets(&api), &wanted()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignObject { .. }), "{error}");
}

#[tokio::test]
async fn only_the_object_that_was_seen_is_deleted() {
    let gone = (404, refusal(404, "NotFound"));
    let changed = (409, refusal(409, "Conflict"));
    let api = ScriptedApi::answering(&[gone, changed]);
    delete(&secrets(&api), &live("")).await.unwrap();
    assert_eq!(
        api.asked()[0].body["preconditions"],
        json!({"uid": "live-1", "resourceVersion": "7"})
    );
    assert!(delete(&secrets(&api), &live("")).await.unwrap_err().is_race());
}
