//! Statuses are written only if they say something new.

use kube::Api;
use nagaya::kube_ops::patch_status;
use nagaya_api::{TenantCluster, TenantClusterStatus};
use serde_json::json;

use crate::scripted_api::{ScriptedApi, refusal};
use crate::{json_of, parse};

fn cluster() -> TenantCluster {
    parse(json!({
        "metadata": {
            "name": "demo", "namespace": "acme", "uid": "u", "resourceVersion": "7",
        },
        "spec": {"version": "v1.37.1"},
        "status": status("2026-01-01T00:00:00Z", 1),
    }))
}

fn status(since: &str, nodes: i32) -> serde_json::Value {
    json!({
        "nodes": nodes,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Joinable", "message": "",
            "lastTransitionTime": since,
        }],
    })
}

#[tokio::test]
async fn a_status_that_differs_in_times_only_is_not_written() {
    let api = ScriptedApi::default();
    let clusters = Api::<TenantCluster>::namespaced(api.client(), "acme");
    let next: TenantClusterStatus = parse(status("2026-02-02T00:00:00Z", 1));
    assert!(!patch_status(&clusters, &cluster(), &next).await.unwrap());
    assert_eq!(api.asked(), []);
}

#[tokio::test]
async fn a_status_that_says_something_new_is_written_once() {
    let api = ScriptedApi::answering(&[(200, json_of(&cluster()))]);
    let clusters = Api::<TenantCluster>::namespaced(api.client(), "acme");
    let next: TenantClusterStatus = parse(status("2026-02-02T00:00:00Z", 2));
    assert!(patch_status(&clusters, &cluster(), &next).await.unwrap());
    let asked = api.asked();
    let path = "/apis/nagaya.dev/v1alpha1/namespaces/acme/tenantclusters/demo/status";
    assert_eq!(asked[0].what, format!("PATCH {path}"));
    assert_eq!(asked[0].body["status"]["nodes"], 2);
    assert_eq!(asked[0].body["metadata"]["uid"], "u");
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "7");
    assert_eq!(asked[0].body.get("spec"), None);
}

#[tokio::test]
async fn a_status_of_an_object_that_changed_since_is_compared_with_it_as_it_is_then() {
    let next: TenantClusterStatus = parse(status("2026-02-02T00:00:00Z", 2));
    let mut newer = cluster();
    newer.metadata.resource_version = Some("8".to_owned());
    let conflict = (409, refusal(409, "Conflict"));
    let ok = (200, json_of(&cluster()));
    let api = ScriptedApi::answering(&[conflict.clone(), (200, json_of(&newer)), ok]);
    let clusters = Api::<TenantCluster>::namespaced(api.client(), "acme");
    assert!(patch_status(&clusters, &cluster(), &next).await.unwrap());
    assert_eq!(api.asked()[2].body["metadata"]["resourceVersion"], "8");
    newer.status = Some(next.clone());
    let api = ScriptedApi::answering(&[conflict, (200, json_of(&newer))]);
    let clusters = Api::<TenantCluster>::namespaced(api.client(), "acme");
    assert!(!patch_status(&clusters, &cluster(), &next).await.unwrap());
}
