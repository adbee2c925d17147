//! What is not Nagaya's, beside what is, and as much like it as can be.

use std::sync::Arc;

use nagaya_api::labels;
use serde_json::{Value, json};

use crate::memory_api::Id;
use crate::stage::{PROJECT, Stage};

const OTHER: &str = "ngy-acme-demo-of-somebody-else";

/// Somebody had all this before the tenant came.
pub fn put(stage: &Stage) {
    let labelled = json!({
        labels::MANAGED_BY: "somebody-else", labels::TENANT_NAME: "other",
        labels::TENANT_NAMESPACE: PROJECT,
    });
    let objects = [
        json!({"kind": "Namespace", "metadata": {"name": OTHER, "labels": labelled}}),
        json!({"kind": "Secret", "metadata": {"name": "demo-kubeconfig-mine", "namespace": PROJECT}}),
        json!({"kind": "ConfigMap", "metadata": {"name": "demo", "namespace": PROJECT, "labels": labelled}}),
        json!({"kind": "Secret", "metadata": {"name": "cluster-ca-1", "namespace": OTHER}}),
        json!({"kind": "Service", "metadata": {"name": "kube-apiserver", "namespace": OTHER}}),
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data-etcd-2", "namespace": OTHER}}),
        json!({"kind": "RoleBinding", "metadata": {"name": "nagaya-manager", "namespace": OTHER}}),
        json!({"kind": "Pod", "metadata": {"name": "etcd-0", "namespace": OTHER}}),
    ];
    for object in objects {
        stage.planes.create(&object).unwrap();
    }
}

/// All of it, with its versions.
pub fn all(stage: &Stage) -> Vec<(Id, Arc<Value>)> {
    let is_one = |id: &Id| {
        let names = ["demo-kubeconfig-mine", "demo"];
        id.namespace == OTHER
            || id.name == OTHER
            || (names.contains(&id.name.as_str()) && ["Secret", "ConfigMap"].contains(&id.kind))
    };
    stage.planes.pick(|id, object| is_one(id).then(|| (id.clone(), Arc::clone(object))))
}
