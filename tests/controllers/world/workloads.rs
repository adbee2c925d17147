//! The controllers of workloads, and kubelet: pods come, get ready, end.

use serde_json::{Value, json};

use super::{id_of, is_ending};
use crate::memory_api::MemoryApi;

/// No workload of a test has more replicas.
const MOST: i64 = 5;

/// One look at every workload. A new pod is ready at the next one, its workload knows at the one after.
pub fn tick(api: &MemoryApi) {
    for kind in ["StatefulSet", "Deployment"] {
        for workload in api.all(kind, None) {
            run(api, &workload);
        }
    }
}

/// Whether the Deployment has a ready pod.
pub fn is_serving(api: &MemoryApi, namespace: &str, name: &str) -> bool {
    let deployment = api.get("Deployment", namespace, name).unwrap_or_default();
    deployment["status"]["readyReplicas"].as_i64().is_some_and(|ready| ready > 0)
}

fn run(api: &MemoryApi, workload: &Value) {
    let namespace = workload["metadata"]["namespace"].as_str().unwrap();
    let name = workload["metadata"]["name"].as_str().unwrap();
    let mut ready = 0;
    let desired = workload["spec"]["replicas"].as_i64().unwrap_or(1);
    for number in 0..desired {
        let name = format!("{name}-{number}");
        match api.get("Pod", namespace, &name) {
            None => start(api, workload, &name),
            Some(pod) if is_ending(&pod) => {}
            Some(pod) if is_ready(&pod) => ready += 1,
            Some(pod) => get_ready(api, &pod),
        }
    }
    for number in desired..MOST {
        if let Some(pod) = api.get("Pod", namespace, &format!("{name}-{number}")) {
            api.delete(&id_of(&pod));
        }
    }
    let status = json!({
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": desired, "readyReplicas": ready, "updatedReplicas": desired,
        "currentRevision": "1", "updateRevision": "1",
    });
    if !is_ending(workload) {
        api.patch_status(&id_of(workload), &status);
    }
}

/// The server refuses if the namespace is going.
fn start(api: &MemoryApi, workload: &Value, name: &str) {
    let metadata = &workload["metadata"];
    api.create(&json!({
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": metadata["namespace"],
            "labels": workload["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": workload["apiVersion"], "kind": workload["kind"],
                "name": metadata["name"], "uid": metadata["uid"], "controller": true,
            }],
        },
        "spec": workload["spec"]["template"]["spec"],
    }));
    for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let name = format!("{}-{name}", claim["metadata"]["name"].as_str().unwrap());
        api.create(&json!({
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name, "namespace": metadata["namespace"],
                "labels": claim["metadata"]["labels"],
            },
            "spec": claim["spec"],
        }));
    }
}

fn get_ready(api: &MemoryApi, pod: &Value) {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    api.patch_status(&id_of(pod), &ready);
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"][0]["status"] == "True"
}
