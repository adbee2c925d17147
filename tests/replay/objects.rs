//! Objects of each kind, complete: everything that kube-apiserver would fill in is said, since the in-memory API server
//! does not fill it in. What varies has no default.

mod workloads;

use std::iter;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::memory_api::Kind;

/// The kinds that are played, and how often: those with rules of their own more.
pub const KINDS: [(&str, u32); 15] = [
    ("ConfigMap", 5),
    ("Secret", 5),
    ("ServiceAccount", 2),
    ("Role", 2),
    ("RoleBinding", 2),
    ("ClusterRole", 1),
    ("Lease", 2),
    ("EndpointSlice", 2),
    ("PodDisruptionBudget", 3),
    ("Service", 4),
    ("Deployment", 6),
    ("StatefulSet", 5),
    ("Namespace", 2),
    ("TenantCluster", 6),
    ("JoinToken", 4),
];

const FINALIZERS: [&str; 2] = ["nagaya.dev/one", "nagaya.dev/two"];

/// An object as a POST, a PUT or an apply has it.
pub fn whole(kind: &Kind, name: &str, dice: &mut Rng) -> Value {
    let mut object = own_part(kind.name, name, dice);
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.name);
    object["metadata"] = metadata(dice);
    object["metadata"]["name"] = json!(name);
    object
}

fn metadata(dice: &mut Rng) -> Value {
    let mut metadata = json!({});
    for part in ["labels", "annotations"] {
        for key in ["a", "b"] {
            if dice.bool() {
                metadata[part][key] = json!(dice.u8(1..4).to_string());
            }
        }
    }
    for (part, list) in [("finalizers", finalizers(dice)), ("ownerReferences", owners(dice))] {
        // An empty list is something of its own only for server-side apply of what a definition made.
        if dice.u8(..4) == 0 && list != json!([]) {
            metadata[part] = list;
        }
    }
    metadata
}

fn finalizers(dice: &mut Rng) -> Value {
    some(&FINALIZERS, dice).into()
}

/// Each of them, or not.
fn some<T: Copy>(all: &[T], dice: &mut Rng) -> Vec<T> {
    all.iter().copied().filter(|_| dice.bool()).collect()
}

/// Nobody looks whether an owner exists, but the garbage collector.
fn owners(dice: &mut Rng) -> Value {
    let owner = |number: u8| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": format!("owner-{number}"),
            "uid": format!("11111111-0000-4000-8000-00000000000{number}"),
        })
    };
    let mut owners: Vec<Value> = some(&[1, 2], dice).into_iter().map(owner).collect();
    if let (Some(first), true) = (owners.first_mut(), dice.bool()) {
        first["controller"] = json!(true);
    }
    owners.into()
}

/// A merge patch of metadata, or of what the kind has.
pub fn change(kind: &Kind, name: &str, dice: &mut Rng) -> Value {
    let value = |dice: &mut Rng| match dice.u8(..4) {
        0 => Value::Null,
        value => json!(value.to_string()),
    };
    match dice.u8(..8) {
        0 | 1 => json!({"metadata": {"labels": {*dice.choice(&["a", "b"]).unwrap(): value(dice)}}}),
        2 => json!({"metadata": {"annotations": {"a": value(dice)}}}),
        3 => json!({"metadata": {"finalizers": finalizers(dice)}}),
        4 => json!({"metadata": {"ownerReferences": owners(dice)}}),
        5 => json!({}),
        _ => own_part(kind.name, name, dice),
    }
}

/// Kinds whose `/status` is written. (That of a Service which is not there would make it.)
pub fn has_status(kind: &Kind) -> bool {
    kind.has_status && kind.name != "Service"
}

/// What a `/status` has, `{"status": …}`.
pub fn status(kind: &Kind, dice: &mut Rng) -> Value {
    let number = |dice: &mut Rng| dice.u8(1..4);
    let conditions: Vec<Value> = some(&["Available", "Accepted"], dice)
        .into_iter()
        .map(|name| {
            let status = *dice.choice(&["True", "False"]).unwrap();
            let mut condition = json!({
                "type": name, "status": status, "reason": "Because", "message": "so",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            if kind.name == "Deployment" {
                condition["lastUpdateTime"] = json!("2026-01-01T00:00:00Z");
            }
            condition
        })
        .collect();
    let mut status = match kind.name {
        "Deployment" | "StatefulSet" => json!({
            "observedGeneration": number(dice), "replicas": number(dice), "readyReplicas": 1,
        }),
        "PodDisruptionBudget" => json!({
            "observedGeneration": number(dice), "currentHealthy": number(dice),
            "desiredHealthy": 1, "disruptionsAllowed": number(dice), "expectedPods": 3,
        }),
        "TenantCluster" => json!({"version": format!("v1.37.{}", number(dice)), "nodes": 1}),
        "JoinToken" => json!({"observedGeneration": number(dice)}),
        _ => json!({}),
    };
    // An empty list that an apply leaves is null, which the schema of a definition refuses.
    if !conditions.is_empty()
        && !matches!(kind.name, "Namespace" | "PodDisruptionBudget" | "StatefulSet")
    {
        status["conditions"] = conditions.into();
    }
    json!({ "status": status })
}

/// All but metadata and status.
fn own_part(kind: &str, name: &str, dice: &mut Rng) -> Value {
    let number = dice.u8(1..4);
    let text = number.to_string();
    match kind {
        "ConfigMap" => config_map(dice),
        "Secret" => secret(dice),
        "ServiceAccount" => json!({
            "automountServiceAccountToken": dice.bool(),
            "imagePullSecrets": [{"name": format!("pull-{text}")}],
        }),
        "Role" | "ClusterRole" => json!({"rules": [{
            "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [text],
            "verbs": ["get"],
        }]}),
        "RoleBinding" => json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role(dice)},
            "subjects": [{"kind": "ServiceAccount", "name": text, "namespace": "default"}],
        }),
        "Lease" => json!({"spec": {
            "holderIdentity": text, "leaseDurationSeconds": 15, "leaseTransitions": number,
            "renewTime": format!("2026-01-01T00:00:0{text}.000000Z"),
        }}),
        "EndpointSlice" => json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": [format!("192.0.2.{text}")], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": 6440 + u16::from(number), "protocol": "TCP"}],
        }),
        "PodDisruptionBudget" => json!({"spec": {
            "maxUnavailable": number, "selector": {"matchLabels": {"app": name}},
        }}),
        "Service" => workloads::service(name, dice),
        "Deployment" => workloads::deployment(name, number, dice),
        "StatefulSet" => workloads::stateful_set(name, number, dice),
        "TenantCluster" => json!({"spec": {
            "version": format!("1.3{}", 4 + number), "paused": dice.bool(),
        }}),
        "JoinToken" => json!({"spec": {"clusterName": "demo", "ttl": format!("{text}h")}}),
        _ => json!({}),
    }
}

fn config_map(dice: &mut Rng) -> Value {
    let mut object = json!({"data": entries(dice, |value| value)});
    if dice.u8(..12) == 0 {
        object["immutable"] = json!(true);
    }
    object
}

fn secret(dice: &mut Rng) -> Value {
    let in_plain_text = dice.u8(..4) == 0;
    let mut object = if in_plain_text {
        json!({"type": "Opaque", "stringData": entries(dice, |value| value)})
    } else {
        json!({"type": "Opaque", "data": entries(dice, |value| STANDARD.encode(value))})
    };
    if dice.u8(..8) == 0 {
        object["immutable"] = json!(true);
    }
    object
}

fn role(dice: &mut Rng) -> &'static str {
    if dice.u8(..6) == 0 { "another" } else { "one" }
}

fn entries(dice: &mut Rng, value: impl Fn(String) -> String) -> Value {
    // At least one: what is empty and what is not there are the same, but for what is immutable.
    let keys = iter::once("k").chain(some(&["l", "m"], dice));
    keys.map(|key| (key.to_owned(), json!(value(dice.u8(1..4).to_string())))).collect()
}
