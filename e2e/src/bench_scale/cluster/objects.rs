//! What pods need to be placed: nodes as large as real ones may be, and volumes.

use serde_json::json;

use crate::bench_scale::api;
use crate::bench_scale::tenants::in_parallel;
use crate::ring::Outcome;

/// kubelet's default (`maxPods`).
const PODS_PER_NODE: usize = 110;
/// etcd, kube-apiserver, kube-controller-manager, kube-scheduler; and room for one that replaces another.
const PODS_PER_TENANT: usize = 5;
const CLASS: &str = "scale";

/// As many nodes as that many tenants fill.
pub fn make_nodes(tenants: usize) -> Outcome {
    let count = (tenants * PODS_PER_TENANT).div_ceil(PODS_PER_NODE) + 1;
    in_parallel(count, |number| {
        let name = format!("node-{number:03}");
        let room = json!({"cpu": "64", "memory": "1Ti", "pods": PODS_PER_NODE.to_string()});
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"capacity": room, "allocatable": room},
        });
        api::create("/api/v1/nodes", &node)
    })
}

/// A volume for each tenant, and for a tenth more, who are there before the others; nobody provisions any.
pub fn make_volumes(tenants: usize) -> Outcome {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
    });
    api::create("/apis/storage.k8s.io/v1/storageclasses", &class)?;
    in_parallel(tenants + tenants.div_ceil(10), |number| {
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": format!("volume-{number:04}")},
            "spec": {
                "capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"],
                "storageClassName": CLASS, "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": "/nowhere"},
            },
        });
        api::create("/api/v1/persistentvolumes", &volume)
    })
}
