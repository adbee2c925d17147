//! Each blockage, judged from objects as kube-apiserver, its controllers and kubelet write them.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]
#![allow(clippy::needless_pass_by_value, reason = "reads better with json! at the call")]

use jiff::Timestamp;
use nagaya_render::diagnosis::{Evidence, judge, last_error_line, of_refusal, why_not_gone};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const BEGAN: &str = "2026-11-26T04:10:00Z";

fn object<K: DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}

fn after_seconds(seconds: i64) -> Timestamp {
    BEGAN.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

/// What is said of etcd a minute after it began: the reason, and all the words.
fn said(evidence: &Evidence) -> (&'static str, String) {
    let blocked = judge("etcd", 1, evidence, after_seconds(60)).unwrap();
    (blocked.blockage.reason(), blocked.to_string())
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "plane", "creationTimestamp": BEGAN,
        "labels": {"app.kubernetes.io/name": "etcd"},
    })
}

fn claim(class: Value) -> Evidence {
    let claim = json!({
        "metadata": metadata("data-etcd-0"),
        "spec": {"storageClassName": class}, "status": {"phase": "Pending"},
    });
    let classes = json!([
        {"metadata": {"name": "slow"}, "provisioner": "example.com/nobody", "volumeBindingMode": "Immediate"},
        {
            "metadata": {"name": "local"}, "provisioner": "example.com/local",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    ]);
    let pod = pod(json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": BEGAN,
        "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: \
                    0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    }]}));
    Evidence { claims: vec![object(claim)], storage_classes: Some(object(classes)), ..pod }
}

fn pod(status: Value) -> Evidence {
    let pod = json!({"metadata": metadata("etcd-0"), "status": status});
    Evidence { pods: vec![object(pod)], ..Evidence::default() }
}

fn container(state: Value, last_state: Value, restarts: i32) -> Evidence {
    pod(json!({
        "phase": "Pending",
        "conditions": [{"type": "ContainersReady", "status": "False", "lastTransitionTime": BEGAN}],
        "containerStatuses": [{
            "name": "etcd", "image": "registry.example/etcd:3.6.99", "imageID": "", "ready": false,
            "restartCount": restarts, "state": state, "lastState": last_state,
        }],
    }))
}

fn event(kind: &str, name: &str, reason: &str, note: &str, at: &str) -> Value {
    json!({
        "metadata": {"name": format!("{name}.{reason}"), "namespace": "plane"}, "reason": reason, "note": note,
        "regarding": {"kind": kind, "name": name}, "type": "Warning", "eventTime": null,
        "deprecatedFirstTimestamp": at, "deprecatedLastTimestamp": at,
    })
}

fn not_made(words: &str) -> Evidence {
    let note = format!("create Pod etcd-0 in StatefulSet etcd failed error: {words}");
    let made = "create Claim data-etcd-0 Pod etcd-0 in StatefulSet etcd success";
    let events = json!([
        event("StatefulSet", "etcd", "FailedCreate", &note, BEGAN),
        event("StatefulSet", "etcd", "SuccessfulCreate", made, BEGAN),
    ]);
    Evidence { events: object(events), ..Evidence::default() }
}

#[test]
fn a_missing_storage_class_is_named_before_what_follows_from_it() {
    let (reason, words) = said(&claim(json!("fast")));
    assert_eq!(reason, "NoStorageClass");
    assert!(words.starts_with(
        "volume claim data-etcd-0 asks for StorageClass fast, which does not exist (since 2026-11-26T04:10:00Z); \
         create the class"
    ));
    assert_eq!(said(&claim(Value::Null)).0, "NoDefaultStorageClass");
}

#[test]
fn a_volume_that_does_not_come_repeats_what_the_provisioner_says() {
    let mut evidence = claim(json!("slow"));
    let waiting = "Waiting for a volume to be created by example.com/nobody";
    let about = ("PersistentVolumeClaim", "data-etcd-0");
    let event = event(about.0, about.1, "ExternalProvisioning", waiting, BEGAN);
    evidence.events = vec![object(event)];
    let (reason, words) = said(&evidence);
    assert_eq!(reason, "VolumePending");
    assert!(words.contains(waiting), "{words}");
    let blocked = judge("etcd", 1, &evidence, after_seconds(4));
    assert_eq!(blocked, None, "a provisioner needs its time");
}

#[test]
fn a_volume_that_is_lost_says_since_when() {
    let mut lost = metadata("data-etcd-0");
    let written = |subresource: &str, time: &str| json!({"manager": "somebody", "subresource": subresource, "time": time});
    lost["managedFields"] =
        json!([written("status", "2026-11-26T04:10:30Z"), written("", "2026-11-26T04:10:40Z")]);
    let claim = json!({
        "metadata": lost, "spec": {"volumeName": "pv-1"}, "status": {"phase": "Lost"},
    });
    let (reason, words) = said(&Evidence { claims: vec![object(claim)], ..Evidence::default() });
    assert_eq!(reason, "VolumeLost");
    assert!(words.contains("pv-1") && words.contains("(since 2026-11-26T04:10:30Z)"), "{words}");
}

#[test]
fn a_claim_that_waits_for_its_pod_leaves_the_word_to_the_pod() {
    let (reason, words) = said(&claim(json!("local")));
    assert_eq!(reason, "Unschedulable");
    assert!(words.contains("pod etcd-0 cannot be scheduled: 0/1 nodes are available"), "{words}");
    assert!(!words.contains("preemption"), "{words}");
}

#[test]
fn a_pod_of_a_node_that_was_lost_names_the_node_also_when_it_is_evicted() {
    let on_a_node = |ready: &str, deleted: Value| -> Evidence {
        let mut metadata = metadata("etcd-0");
        metadata["deletionTimestamp"] = deleted;
        let status = json!({
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": BEGAN}],
            "containerStatuses": [{
                "name": "etcd", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": BEGAN}},
            }],
        });
        let spec = json!({"nodeName": "node-2", "containers": []});
        let pod = json!({"metadata": metadata, "spec": spec, "status": status});
        Evidence { pods: vec![object(pod)], ..Evidence::default() }
    };
    for lost in [on_a_node("False", Value::Null), on_a_node("False", json!(BEGAN))] {
        let (reason, words) = said(&lost);
        assert_eq!(reason, "NodeLost");
        assert!(words.starts_with("node node-2, which pod etcd-0 is on, is not ready"), "{words}");
        assert!(words.contains("(since 2026-11-26T04:10:00Z)"), "{words}");
        let command = "kubectl taint node node-2 node.kubernetes.io/out-of-service=";
        assert!(words.contains(command), "{words}");
        assert_eq!(judge("etcd", 1, &lost, after_seconds(2)), None, "kubelet is just telling");
    }
    let ready = on_a_node("True", Value::Null);
    assert_eq!(judge("etcd", 1, &ready, after_seconds(60)), None);
    let ends = on_a_node("False", json!("2026-11-26T04:10:58Z"));
    assert_eq!(judge("etcd", 1, &ends, after_seconds(60)), None, "it has until then to end");
}

#[test]
fn a_refused_pod_says_who_refuses_it() {
    let refusals = [
        (
            "pods \"etcd-0\" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
            "QuotaExceeded",
            "Pod etcd-0 cannot be made: exceeded quota: none, requested: pods=1",
        ),
        (
            "pods \"etcd-0\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            "PodSecurityRefused",
            "violates PodSecurity \"restricted:latest\"",
        ),
        (
            "pods \"etcd-0\" is forbidden: ValidatingAdmissionPolicy 'no-pods' with binding 'no-pods' denied \
             request: not on a Thursday",
            "AdmissionDenied",
            "ValidatingAdmissionPolicy no-pods is against it: not on a Thursday",
        ),
        (
            "admission webhook \"guard.example.com\" denied the request: not signed",
            "AdmissionDenied",
            "admission webhook guard.example.com is against it: not signed",
        ),
        (
            "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: EOF",
            "AdmissionDenied",
            "failed to call webhook: EOF",
        ),
        (
            "pods \"etcd-0\" is forbidden: no PriorityClass with name nagaya-etcd was found",
            "CreationRefused",
            "no PriorityClass with name nagaya-etcd was found",
        ),
    ];
    for (answer, reason, words) in refusals {
        let (found, message) = said(&not_made(answer));
        assert_eq!(found, reason, "{message}");
        assert!(message.contains(words), "{words:?} is not in {message:?}");
        assert!(message.contains("(since 2026-11-26T04:10:00Z); "), "{message}");
    }
}

#[test]
fn a_refusal_that_was_overcome_is_no_news() {
    let mut evidence = not_made("pods \"etcd-0\" is forbidden: exceeded quota: none");
    let made = "create Pod etcd-0 in StatefulSet etcd successful";
    let later = "2026-11-26T04:10:20Z";
    let event = event("StatefulSet", "etcd", "SuccessfulCreate", made, later);
    evidence.events.push(object(event));
    assert_eq!(judge("etcd", 1, &evidence, after_seconds(60)), None);
}

#[test]
fn a_deployment_repeats_a_refusal_without_the_name_that_changes_at_each_attempt() {
    let deployment = json!({
        "metadata": {"name": "etcd"},
        "status": {"conditions": [{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "lastTransitionTime": BEGAN,
            "message": "pods \"kube-apiserver-68c6bc7b4d-x2x4n\" is forbidden: exceeded quota: none",
        }]},
    });
    let evidence = Evidence { deployments: vec![object(deployment)], ..Evidence::default() };
    let (reason, words) = said(&evidence);
    assert_eq!(reason, "QuotaExceeded");
    assert!(
        words.starts_with("a pod of Deployment etcd cannot be made: exceeded quota"),
        "{words}"
    );
}

#[test]
fn a_missing_image_says_the_same_while_kubelet_tries_and_while_it_pauses() {
    let why = "rpc error: code = NotFound desc = failed to pull and unpack image: not found";
    let image = "registry.example/etcd:3.6.99";
    let paused = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
    let trying = json!({"waiting": {"reason": "ErrImagePull", "message": why}});
    let pausing = json!({"waiting": {"reason": "ImagePullBackOff", "message": paused}});
    let told = said(&container(trying, json!({}), 0));
    assert_eq!(told, said(&container(pausing, json!({}), 0)));
    assert_eq!(told.0, "ImageUnavailable");
    assert!(told.1.contains(image) && told.1.contains("NotFound"), "{}", told.1);
}

#[test]
fn a_crash_loop_is_one_through_its_pauses_and_attempts_until_it_runs_for_long() {
    let ended = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "finishedAt": "2026-11-26T04:10:30Z",
        "message": "{\"level\":\"info\",\"msg\":\"starting\"}\n{\"level\":\"fatal\",\"ts\":\"2026-11-26T04:10:30Z\",\
                    \"caller\":\"embed/etcd.go:1\",\"msg\":\"discovery failed\",\"error\":\"member not found\"}\n",
    }});
    let pausing = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}});
    let running = json!({"running": {"startedAt": "2026-11-26T04:10:40Z"}});
    let told = said(&container(pausing, ended.clone(), 1));
    assert_eq!(told, said(&container(running.clone(), ended.clone(), 2)));
    assert_eq!(told.0, "CrashLoop");
    assert_eq!(
        told.1,
        "container etcd of pod plane/etcd-0 keeps ending (exit code 1): discovery failed: member not found \
         (since 2026-11-26T04:10:00Z); more: kubectl logs --previous -n plane etcd-0 -c etcd"
    );
    let evidence = container(running, ended, 2);
    assert_eq!(judge("etcd", 1, &evidence, after_seconds(3600)), None, "it has recovered");
}

#[test]
fn what_is_on_its_way_is_no_blockage() {
    let creating = json!({"waiting": {"reason": "ContainerCreating"}});
    let now = after_seconds(60);
    assert_eq!(judge("etcd", 1, &container(creating, json!({}), 0), now), None);
    assert_eq!(judge("etcd", 1, &Evidence::default(), now), None);
}

#[test]
fn the_worst_of_the_last_lines_is_the_one_that_is_repeated() {
    let logs = [
        (
            "I1126 04:10:00.000000       1 options.go:1] starting\n\
             E1126 04:10:01.000000       1 run.go:72] \"command failed\" err=\"unknown flag: --x\"\n",
            "\"command failed\" err=\"unknown flag: --x\"",
        ),
        (
            "F1126 04:10:01.000000       1 a.go:1] no certificate\nE1126 04:10:02.000000       1 b.go:1] bye",
            "no certificate",
        ),
        (
            "panic: index out of range\n\ngoroutine 1 [running]:\nmain.main()",
            "panic: index out of range",
        ),
        (
            "{\"level\":\"warn\",\"msg\":\"slow\"}\n{\"level\":\"error\",\"msg\":\"disk is full\"}",
            "disk is full",
        ),
        (
            "E1126 04:10:01.000000       1 a.go:1] read tcp 10.1.0.5:43210->10.1.0.6:2379: refused",
            "read tcp 10.1.0.5->10.1.0.6:2379: refused",
        ),
        ("one\ntwo\n", "two"),
    ];
    for (log, line) in logs {
        assert_eq!(last_error_line(log).as_deref(), Some(line));
    }
    assert_eq!(last_error_line(" \n"), None);
    assert!(last_error_line(&"x".repeat(5000)).unwrap().len() < 500);
}

#[test]
fn a_port_of_another_service_is_named_by_the_field_that_asks_for_it() {
    let words = "Service \"kube-apiserver-public\" is invalid: spec.ports[0].nodePort: Invalid value: 30001: \
                 provided port is already allocated";
    let blockage = of_refusal("Service plane/kube-apiserver-public", words).unwrap();
    assert_eq!(blockage.reason(), "PortTaken");
    assert!(blockage.to_string().contains("spec.expose.nodePort.port: node port 30001"));
    assert_eq!(of_refusal("Service plane/x", "etcdserver: request timed out"), None);
}

#[test]
fn a_namespace_that_does_not_go_names_what_holds_it_but_not_while_it_takes_its_usual_time() {
    let namespace = object(json!({
        "metadata": {"name": "plane", "deletionTimestamp": BEGAN},
        "status": {"phase": "Terminating", "conditions": [
            {
                "type": "NamespaceDeletionDiscoveryFailure", "status": "False", "reason": "ResourcesDiscovered",
                "message": "All resources successfully discovered",
            },
            {
                "type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain",
                "message": "Some resources are remaining: configmaps. has 1 resource instances",
            },
            {
                "type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
                "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource \
                            instances",
            },
        ]},
    }));
    assert_eq!(why_not_gone(&namespace, after_seconds(5)), None);
    let blocked = why_not_gone(&namespace, after_seconds(20)).unwrap();
    assert_eq!(blocked.blockage.reason(), "NamespaceStuck");
    let words = blocked.to_string();
    for part in ["configmaps", "example.com/hold", "(since 2026-11-26T04:10:00Z)", "kubectl edit"] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    assert!(!words.contains("successfully"), "{words}");
}
