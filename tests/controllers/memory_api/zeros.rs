//! What an object of a kind has though nobody has said it: fields of Go structs that are written though they are empty
//! (no pointer, no `omitempty`; `k8s.io/api`). They are nobody's, and decide what a writer brings into being.

use serde_json::{Value, json};

use super::fields;
use super::kinds::Kind;

/// An object of the kind with nothing in it. What is null here is not shown.
pub fn empty(kind: &Kind) -> Value {
    let template = || json!({"metadata": {}, "spec": {"containers": null}});
    let mut object = match kind.name {
        "Deployment" => json!({
            "spec": {"selector": null, "strategy": {}, "template": template()}, "status": {},
        }),
        "StatefulSet" => json!({
            "spec": {
                "selector": null, "serviceName": "", "template": template(), "updateStrategy": {},
            },
            "status": {"availableReplicas": 0, "replicas": 0},
        }),
        "DaemonSet" => json!({
            "spec": {"selector": null, "template": template(), "updateStrategy": {}},
        }),
        "Job" => json!({"spec": {"template": template()}, "status": {}}),
        "Pod" => json!({"spec": {"containers": null}, "status": {}}),
        "PodDisruptionBudget" => json!({
            "spec": {},
            "status": {
                "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
            },
        }),
        "Service" => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        "PersistentVolumeClaim" => json!({"spec": {"resources": {}}, "status": {}}),
        "Namespace" | "Node" => json!({"spec": {}, "status": {}}),
        "CertificateSigningRequest" => json!({
            "spec": {"request": null, "signerName": ""}, "status": {},
        }),
        "Lease" => json!({"spec": {}}),
        "RoleBinding" | "ClusterRoleBinding" => json!({"roleRef": {}}),
        "Role" | "ClusterRole" => json!({"rules": null}),
        "EndpointSlice" => json!({"addressType": "", "endpoints": null, "ports": null}),
        _ => json!({}),
    };
    object["metadata"] = json!({});
    object
}

/// Gives the status what it always has.
pub fn fill_status(kind: &Kind, object: &mut Value) {
    if let Some(always) = empty(kind).get("status") {
        let said = object.get("status").cloned().unwrap_or_default();
        object["status"] = always.clone();
        fields::merge(&mut object["status"], &said);
    }
}
