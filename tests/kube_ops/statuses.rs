//! Statuses are written only if they say something new.

use kube::Api;
use nagaya::kube_ops::patch_status;
use nagaya_api::{TenantCluster, TenantClusterStatus};
use serde_json::json;

use crate::scripted_api::ScriptedApi;
use crate::{json_of, parse};

fn cluster() -> TenantCluster {
    parse(json!({
        "metadata": {"name": "demo", "namespace": "acme", "uid": "u"},
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
    assert_eq!(asked[0].body.get("spec"), None);
}
