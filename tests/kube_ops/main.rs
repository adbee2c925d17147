//! What the verbs of `kube_ops` send, and above all what they do not send.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod scripted_api;
mod statuses;
mod writes;

use k8s_openapi::api::core::v1::Secret;
use nagaya::kube_ops::apply::APPLIED_DIGEST;
use serde_json::{Value, json};

/// A Secret that we hand out in a project.
fn wanted() -> Secret {
    parse(json!({
        "metadata": {
            "name": "demo-kubeconfig", "namespace": "acme",
            "ownerReferences": [{
                "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster", "name": "demo",
                "uid": "owner-1", "controller": true,
            }],
        },
        "data": {"value": "YQ=="},
    }))
}

/// The same as the API server holds it after our apply; `digest` is what we wrote on it then.
fn live(digest: &str) -> Secret {
    let mut live = serde_json::to_value(wanted()).unwrap();
    live["metadata"]["uid"] = json!("live-1");
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["annotations"] = json!({APPLIED_DIGEST: digest});
    live["metadata"]["managedFields"] = json!([{
        "manager": "nagaya", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {
                "f:annotations": {format!("f:{APPLIED_DIGEST}"): {}},
                "f:ownerReferences": {"k:{\"uid\":\"owner-1\"}": {}},
            },
            "f:data": {"f:value": {}},
        },
    }]);
    parse(live)
}

/// Somebody else's Secret of that name.
fn foreign() -> Secret {
    parse(json!({"metadata": {"name": "demo-kubeconfig", "namespace": "acme", "uid": "live-2"}}))
}

fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn json_of(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}
