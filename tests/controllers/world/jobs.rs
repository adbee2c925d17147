//! The controller of Jobs, kubelet, and what the Jobs that save and restore etcd would do: a volume of snapshots, as
//! an annotation of its claim, or a bucket, as one of the Secret with its credentials.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{id_of, is_ending};
use crate::memory_api::{Id, Kind, MemoryApi};

/// What the volume holds, as JSON.
const HOLDS: &str = "world/holds";

/// One look at every Job: its pod comes, is done at the next one, and the Job knows at the one after.
pub fn tick(api: &MemoryApi) {
    for job in api.all("Job", None).iter().filter(|job| !is_ending(job)) {
        run(api, job);
    }
}

fn run(api: &MemoryApi, job: &Value) {
    let (namespace, name) = (text(&job["metadata"]["namespace"]), text(&job["metadata"]["name"]));
    let pod_name = format!("{name}-0");
    let pod = Id::new(Kind::named("Pod"), namespace, &pod_name);
    match api.get("Pod", namespace, &pod_name) {
        None => start(api, job, &pod_name),
        Some(found) if found["status"]["phase"] == "Succeeded" => {
            if job["status"].get("conditions").is_none() {
                let complete = json!([{"type": "Complete", "status": "True"}]);
                let at = Timestamp::now().to_string();
                let status = json!({"conditions": complete, "succeeded": 1, "completionTime": at});
                api.patch_status(&id_of(job), &status);
            }
        }
        Some(_) if refuses(api, namespace, &arguments(job)) => {
            let reason = json!([{
                "type": "Failed", "status": "True", "message": "no access key",
                "lastTransitionTime": Timestamp::now().to_string(),
            }]);
            api.patch_status(&id_of(job), &json!({"conditions": reason, "failed": 1}));
        }
        Some(_) => {
            let message = save(api, namespace, &arguments(job));
            let terminated = json!({"exitCode": 0, "message": message});
            let container = json!({
                "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": terminated},
            });
            let status = json!({"phase": "Succeeded", "containerStatuses": [container]});
            api.patch_status(&pod, &status);
        }
    }
}

fn start(api: &MemoryApi, job: &Value, name: &str) {
    let metadata = &job["metadata"];
    let mut labels = job["spec"]["template"]["metadata"]["labels"].clone();
    labels["batch.kubernetes.io/job-name"] = metadata["name"].clone();
    api.create(&json!({
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": metadata["namespace"], "labels": labels,
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"],
                "uid": metadata["uid"], "controller": true,
            }],
        },
        "spec": job["spec"]["template"]["spec"],
    }));
}

fn arguments(job: &Value) -> Vec<String> {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    container["args"].as_array().unwrap().iter().map(|one| text(one).to_owned()).collect()
}

/// Without an access key no bucket takes anything.
fn refuses(api: &MemoryApi, namespace: &str, arguments: &[String]) -> bool {
    arguments[1] == "upload"
        && api
            .get("Secret", namespace, "etcd-snapshot-s3")
            .is_none_or(|secret| secret["data"].get("accessKeyID").is_none())
}

/// What `nagaya snapshot finish` and `upload` do; nothing for a restore.
fn save(api: &MemoryApi, namespace: &str, arguments: &[String]) -> String {
    let (kind, place) = match arguments[1].as_str() {
        "finish" => ("PersistentVolumeClaim", "etcd-snapshots"),
        "upload" => ("Secret", "etcd-snapshot-s3"),
        _ => return String::new(),
    };
    let option = |name: &str| {
        let start = format!("--{name}=");
        arguments.iter().find_map(|one| one.strip_prefix(&start)).unwrap_or_default()
    };
    let place = api.get(kind, namespace, place).unwrap();
    let held = place["metadata"]["annotations"][HOLDS].as_str().unwrap_or("[]");
    let mut held: Vec<Value> = serde_json::from_str(held).unwrap();
    held.push(json!({
        "name": option("name"), "time": Timestamp::now().to_string(), "sizeBytes": 4128,
        "version": option("kubernetes-version"), "reason": option("reason"),
    }));
    let keep: usize = option("keep").parse().unwrap();
    let surplus = held.len().saturating_sub(keep);
    held.drain(..surplus);
    let holds = json!(held).to_string();
    api.patch(&id_of(&place), &json!({"metadata": {"annotations": {HOLDS: holds}}}));
    holds
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
