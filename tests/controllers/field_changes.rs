//! A change of a field restarts what its policy says, and nothing else: every field that can change is changed.

use std::collections::{BTreeMap, BTreeSet};

use nagaya_api::{Change, FIELD_POLICIES, conditions};
use serde_json::{Value, json};

use crate::stage::{PROJECT, Stage, tenant_id};

const WORKLOADS: [(&str, &str); 4] = [
    ("StatefulSet", "etcd"),
    ("Deployment", "kube-apiserver"),
    ("StatefulSet", "kube-controller-manager"),
    ("StatefulSet", "kube-scheduler"),
];

/// Fields and a change of each, made one upon the other. A change of the version leaves the snapshot that is restored.
fn samples(snapshot: &Value) -> Vec<(&'static str, Value)> {
    vec![
        ("spec.controlPlane.replicas", json!({"controlPlane": {"replicas": 2}})),
        ("spec.etcd.quota", json!({"etcd": {"quota": "512Mi"}})),
        ("spec.expose.type", json!({"expose": {"type": "Gateway"}})),
        ("spec.expose.type", json!({"expose": {"type": "NodePort"}})),
        (
            "spec.expose.retiredEndpoint",
            json!({"expose": {"retiredEndpoint": "demo.acme.k8s.example.com:443"}}),
        ),
        ("spec.expose.nodePort.host", json!({"expose": {"nodePort": {"host": "192.0.2.9"}}})),
        ("spec.expose.nodePort.port", json!({"expose": {"nodePort": {"port": 31999}}})),
        ("spec.expose.hostname", json!({"expose": {"hostname": "late.example.com"}})),
        ("spec.expose.extraNames", json!({"expose": {"extraNames": ["api.example.com"]}})),
        ("spec.kubelet", json!({"kubelet": {"maxPods": 50}})),
        (
            "spec.addons.kubeProxy.config",
            json!({"addons": {"kubeProxy": {"config": {"mode": "nftables"}}}}),
        ),
        ("spec.addons.kubeProxy.resources.requests", addon("kubeProxy", &sizes("requests"))),
        ("spec.addons.kubeProxy.resources.limits", addon("kubeProxy", &sizes("limits"))),
        (
            "spec.addons.kubeProxy.management",
            json!({"addons": {"kubeProxy": {"management": "Unmanaged"}}}),
        ),
        ("spec.addons.coreDNS.replicas", addon("coreDNS", &json!({"replicas": 3}))),
        ("spec.addons.coreDNS.resources.requests", addon("coreDNS", &sizes("requests"))),
        ("spec.addons.coreDNS.resources.limits", addon("coreDNS", &sizes("limits"))),
        ("spec.addons.coreDNS.corefile.plugins", corefile("plugins", &json!("whoami"))),
        ("spec.addons.coreDNS.corefile.servers", corefile("servers", &json!("corp:53 {\n}\n"))),
        ("spec.addons.coreDNS.corefile.importCustom", corefile("importCustom", &json!(true))),
        (
            "spec.addons.coreDNS.management",
            json!({"addons": {"coreDNS": {"management": "Unmanaged"}}}),
        ),
        (
            "spec.addons.forwarder.management",
            json!({"addons": {"forwarder": {"management": "Unmanaged"}}}),
        ),
        (
            "spec.addons.konnectivity.management",
            json!({"addons": {"konnectivity": {"management": "Unmanaged"}}}),
        ),
        ("spec.snapshots.schedule", json!({"snapshots": {"schedule": "1h"}})),
        ("spec.snapshots.keep", json!({"snapshots": {"keep": 2}})),
        ("spec.version", json!({"version": "v1.37.1"})),
        (
            "spec.snapshots.volume.className",
            json!({"snapshots": {"volume": {"className": "fast"}}}),
        ),
        ("spec.snapshots.volume.size", json!({"snapshots": {"volume": {"size": "9Gi"}}})),
        ("spec.restoreFrom.snapshot", json!({"restoreFrom": {"snapshot": snapshot}})),
        ("spec.etcd.replicas", json!({"restoreFrom": null, "etcd": {"replicas": 3}})),
        ("spec.snapshots.s3.bucket", json!({"snapshots": {"s3": bucket()}})),
        ("spec.snapshots.s3.endpoint", s3("endpoint", "https://elsewhere.example.com")),
        ("spec.snapshots.s3.region", s3("region", "north")),
        ("spec.snapshots.s3.prefix", s3("prefix", "fleet")),
        ("spec.snapshots.s3.secretName", s3("secretName", "other")),
        ("spec.snapshots.suspend", json!({"snapshots": {"suspend": true}})),
        ("spec.deletionPolicy", json!({"deletionPolicy": "Retain"})),
        ("spec.deletionProtection", json!({"deletionProtection": true})),
        ("spec.paused", json!({"paused": true})),
    ]
}

fn addon(name: &str, change: &Value) -> Value {
    json!({"addons": {name: change}})
}

fn sizes(kind: &str) -> Value {
    json!({"resources": {kind: {"cpu": "200m"}}})
}

fn corefile(field: &str, value: &Value) -> Value {
    addon("coreDNS", &json!({"corefile": {field: value}}))
}

fn bucket() -> Value {
    json!({"endpoint": "https://s3.example.com", "bucket": "etcd", "secretName": "s3"})
}

fn s3(field: &str, value: &str) -> Value {
    json!({"snapshots": {"s3": {field: value}}})
}

fn newest(stage: &Stage) -> Value {
    let tenant = stage.tenant().unwrap();
    let all = tenant["status"]["snapshots"].as_array().cloned().unwrap_or_default();
    all.last().cloned().unwrap_or_default()["name"].clone()
}

/// Of each workload, what its pods are made of, and which one its first pod is.
fn pods(stage: &Stage) -> BTreeMap<&'static str, (Value, Value)> {
    let plane = Stage::plane();
    let pods = |(kind, name)| {
        let workload = stage.planes.get(kind, &plane, name).unwrap();
        let pod = stage.planes.get("Pod", &plane, &format!("{name}-0")).unwrap();
        (name, (workload["spec"]["template"].clone(), pod["metadata"]["uid"].clone()))
    };
    WORKLOADS.into_iter().map(pods).collect()
}

#[test]
fn every_field_that_can_change_has_a_sample() {
    let can_change = FIELD_POLICIES.iter().filter(|policy| policy.change != Change::Immutable);
    let fields: BTreeSet<&str> = can_change.map(|policy| policy.path).collect();
    let sampled = samples(&Value::Null).into_iter().map(|(field, _)| field);
    let sampled: BTreeSet<&str> = sampled.chain(OF_OTHER_TYPES).collect();
    assert_eq!(sampled, fields);
}

fn policy(field: &str) -> Change {
    FIELD_POLICIES.iter().find(|policy| policy.path == field).unwrap().change
}

async fn change(stage: &Stage, spec: &Value) {
    stage.projects.patch(&tenant_id(), &json!({"spec": spec}));
    stage.settled().await;
}

/// Of tenants with another type; `load_balancers.rs` and `balancer_moves.rs` change them.
const OF_OTHER_TYPES: [&str; 8] = [
    "spec.expose.loadBalancer.class",
    "spec.expose.loadBalancer.address",
    "spec.expose.loadBalancer.port",
    "spec.expose.loadBalancer.annotations",
    "spec.expose.loadBalancer.sourceRanges",
    "spec.expose.external.host",
    "spec.expose.external.port",
    "spec.expose.external.addresses",
];

/// Names of the workloads that have other pods since `before`, or will have.
fn restarted(
    stage: &Stage,
    before: &BTreeMap<&'static str, (Value, Value)>,
) -> BTreeSet<&'static str> {
    let now = pods(stage);
    WORKLOADS.map(|(_, name)| name).into_iter().filter(|name| now[name] != before[name]).collect()
}

fn give_credentials(stage: &Stage) {
    for name in ["s3", "other"] {
        let data = json!({"accessKeyID": "aWQ=", "secretAccessKey": "c2VjcmV0"});
        stage.projects.create(&json!({
            "kind": "Secret", "metadata": {"name": name, "namespace": PROJECT}, "data": data,
        }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_field_restarts_what_its_policy_says_and_nothing_else() {
    let mut stage = Stage::new();
    stage.add_nodes();
    give_credentials(&stage);
    stage.create_tenant(&json!({"version": "v1.36.3"}));
    stage.settled().await;
    for turn in 0..samples(&Value::Null).len() {
        let (field, spec) = samples(&newest(&stage)).swap_remove(turn);
        let before = pods(&stage);
        change(&stage, &spec).await;
        let restarted = restarted(&stage, &before);
        let is_refused = stage.condition(conditions::STALLED)["reason"] == "Refused";
        match policy(field) {
            Change::Restarts(names) => {
                assert_eq!(restarted, names.iter().copied().collect(), "{field}");
            }
            Change::Live => assert!(restarted.is_empty(), "{field} restarts {restarted:?}"),
            Change::FixedAtBirth => {
                assert!(is_refused && restarted.is_empty(), "{field}: {restarted:?}");
                let expose = json!({"type": "NodePort", "nodePort": null, "hostname": null});
                change(&stage, &json!({"expose": expose})).await;
                continue;
            }
            Change::Immutable => panic!("{field} cannot be changed"),
        }
        assert!(!is_refused, "{field}: {}", stage.condition(conditions::STALLED));
        assert_eq!(stage.condition(conditions::READY)["status"], "True", "after {field}");
    }
}
