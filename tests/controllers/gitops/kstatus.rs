//! kstatus' rules for kinds that it does not know, as of sigs.k8s.io/cli-utils v0.37.2, package
//! `pkg/kstatus/status`: `Compute`, `checkGenericProperties` and `checkReadyCondition`, in their order.

use serde_json::Value;

/// The status that kstatus computes.
pub fn kstatus(object: &Value) -> &'static str {
    let metadata = &object["metadata"];
    if metadata["deletionTimestamp"].is_string() {
        return "Terminating";
    }
    let observed = &object["status"]["observedGeneration"];
    if !metadata["generation"].is_null()
        && !observed.is_null()
        && *observed != metadata["generation"]
    {
        return "InProgress";
    }
    let conditions = || object["status"]["conditions"].as_array().into_iter().flatten();
    // The first of the two in the list counts.
    for condition in conditions().filter(|one| one["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return "InProgress",
            Some("Stalled") => return "Failed",
            _ => {}
        }
    }
    match conditions().find(|one| one["type"] == "Ready").map(|ready| &ready["status"]) {
        Some(status) if status == "False" || status == "Unknown" => "InProgress",
        // Also an object without any status: hence the default of ours.
        _ => "Current",
    }
}
