//! What holds after every scenario, whatever it was about.
//!
//! Every control-plane pod runs restricted and has never restarted, keys are mounted only where they are
//! needed, and no Secret of Nagaya's is outside its place.

use std::time::Duration;

use serde_json::Value;

use super::kubectl::{each, name, text};
use super::{Look, Outcome, Project, ensure, wait_until};

/// The CA keys that a pod may have: kube-controller-manager's signers, and the key pair of service
/// accounts. No pod gets any other.
const MOUNTED_KEYS: [(&str, &str); 3] = [
    ("kube-controller-manager", "client-ca-1"),
    ("kube-controller-manager", "kubelet-serving-ca-1"),
    ("kube-controller-manager", "service-account-1"),
];
/// Saves them beside etcd's data; it runs for seconds.
const SAVES_KEYS: &str = "etcd-snapshot";
/// kube-apiserver signs service-account tokens.
const SERVICE_ACCOUNT_SIGNER: (&str, &str) = ("kube-apiserver", "service-account-1");

/// Checks all of them for every tenant of the project.
///
/// # Errors
/// One does not hold; the text names the object.
pub fn check(project: &Project) -> Outcome {
    for plane in planes(project)? {
        let pods = project.management.list(&["pods", "-n", &plane])?;
        for pod in &pods {
            never_restarted(pod)?;
            is_restricted(pod)?;
            mounts_no_foreign_key(pod)?;
        }
        let namespace = project.management.get(&["namespace", &plane])?;
        let enforced = text(&namespace, "/metadata/labels/pod-security.kubernetes.io~1enforce");
        ensure(enforced == "restricted", || format!("{plane} enforces {enforced:?}"))?;
    }
    secrets_are_in_their_places(project)
}

/// The control-plane namespaces of a project's tenants.
///
/// # Errors
/// The management cluster does not answer.
pub fn planes(project: &Project) -> Outcome<Vec<String>> {
    let ours = format!("nagaya.dev/tenant-namespace={}", project.name);
    let found = project.management.list(&["namespaces", "-l", &ours])?;
    Ok(found.iter().map(|namespace| name(namespace).to_owned()).collect())
}

/// Waits until no control plane of the project is left.
///
/// # Errors
/// One is still there after that time.
pub fn await_no_plane(project: &Project, within: Duration) -> Outcome {
    wait_until("no control plane is left", within, || {
        let left = planes(project)?;
        Ok(Look::done_if(left.is_empty(), || left.join(", ")))
    })
}

fn never_restarted(pod: &Value) -> Outcome {
    let statuses =
        each(pod, "/status/initContainerStatuses").chain(each(pod, "/status/containerStatuses"));
    for status in statuses {
        ensure(status["restartCount"] == 0, || {
            format!("container {} of pod {} restarted: {status}", name_of(status), name(pod))
        })?;
    }
    Ok(())
}

fn is_restricted(pod: &Value) -> Outcome {
    let spec = &pod["spec"];
    let of_pod = [
        ("automountServiceAccountToken", spec["automountServiceAccountToken"] == false),
        ("enableServiceLinks", spec["enableServiceLinks"] == false),
        ("hostNetwork", spec["hostNetwork"].is_null() || spec["hostNetwork"] == false),
    ];
    let containers = each(spec, "/initContainers").chain(each(spec, "/containers"));
    let of_containers = containers.flat_map(|container| restrictions(spec, container));
    for (what, holds) in of_pod.into_iter().chain(of_containers) {
        ensure(holds, || format!("{what} of pod {} is not as restricted asks: {spec}", name(pod)))?;
    }
    Ok(())
}

fn restrictions(pod: &Value, container: &Value) -> [(&'static str, bool); 8] {
    let (own, shared) = (&container["securityContext"], &pod["securityContext"]);
    let either = |field: &str| if own[field].is_null() { &shared[field] } else { &own[field] };
    [
        ("runAsNonRoot", either("runAsNonRoot") == true),
        ("runAsUser", either("runAsUser").as_u64().is_some_and(|user| user > 0)),
        ("seccompProfile", either("seccompProfile")["type"] == "RuntimeDefault"),
        ("readOnlyRootFilesystem", own["readOnlyRootFilesystem"] == true),
        ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] == false),
        ("capabilities.drop", own["capabilities"]["drop"] == serde_json::json!(["ALL"])),
        ("resources.requests", container["resources"]["requests"]["memory"].is_string()),
        ("imagePullPolicy", container["imagePullPolicy"] == "IfNotPresent"),
    ]
}

/// A Secret mounted whole would bring its key along, so only named items count as harmless.
fn mounts_no_foreign_key(pod: &Value) -> Outcome {
    let component = text(pod, "/metadata/labels/app.kubernetes.io~1name");
    for volume in each(pod, "/spec/volumes") {
        let whole = text(volume, "/secret/secretName");
        ensure(whole.is_empty(), || format!("pod {} mounts all of {whole}", name(pod)))?;
        for source in each(volume, "/projected/sources") {
            let secret = text(source, "/secret/name");
            let with_key = each(source, "/secret/items")
                .any(|item| matches!(text(item, "/key"), "tls.key" | "sa.key"));
            let is_authority = secret.ends_with("-1");
            let allowed = MOUNTED_KEYS.contains(&(component, secret))
                || (component, secret) == SERVICE_ACCOUNT_SIGNER
                || component == SAVES_KEYS;
            ensure(!is_authority || !with_key || allowed, || {
                format!("pod {} has the key of {secret}", name(pod))
            })?;
        }
    }
    Ok(())
}

fn secrets_are_in_their_places(project: &Project) -> Outcome {
    let all = project.management.list(&[
        "secrets",
        "--all-namespaces",
        "-l",
        &format!("nagaya.dev/tenant-namespace={}", project.name),
    ])?;
    let planes = planes(project)?;
    for secret in &all {
        let namespace = text(secret, "/metadata/namespace");
        let handed_out = namespace == project.name
            && (name(secret).ends_with("-kubeconfig") || name(secret).ends_with("-join"));
        let in_plane = planes.iter().any(|plane| plane == namespace);
        ensure(handed_out || in_plane, || {
            format!("Secret {namespace}/{} is outside its place", name(secret))
        })?;
    }
    Ok(())
}

fn name_of(container: &Value) -> &str {
    text(container, "/name")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"name": "etcd-0", "labels": {"app.kubernetes.io/name": "etcd"}},
            "spec": {
                "automountServiceAccountToken": false, "enableServiceLinks": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "imagePullPolicy": "IfNotPresent", "resources": {"requests": {"memory": "1Mi"}},
                    "securityContext": {
                        "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
                "volumes": [{"projected": {"sources": [
                    {"secret": {"name": "etcd-ca-1", "items": [{"key": "tls.crt"}]}},
                    {"secret": {"name": "etcd-certs", "items": [{"key": "peer.key"}]}},
                ]}}],
            },
            "status": {"containerStatuses": [{"name": "etcd", "restartCount": 0}]},
        })
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut pod = pod();
        *pod.pointer_mut(pointer).unwrap() = value;
        pod
    }

    #[test]
    fn a_pod_as_it_should_be_passes() {
        never_restarted(&pod()).unwrap();
        is_restricted(&pod()).unwrap();
        mounts_no_foreign_key(&pod()).unwrap();
    }

    #[test]
    fn a_restart_is_noticed() {
        assert!(
            never_restarted(&changed("/status/containerStatuses/0/restartCount", json!(1)))
                .is_err()
        );
    }

    #[test]
    fn each_loosened_restriction_is_noticed() {
        let container = "/spec/containers/0";
        for (field, value) in [
            ("/spec/automountServiceAccountToken".to_owned(), json!(true)),
            ("/spec/securityContext/runAsNonRoot".to_owned(), json!(false)),
            ("/spec/securityContext/runAsUser".to_owned(), json!(0)),
            (format!("{container}/securityContext/readOnlyRootFilesystem"), json!(false)),
            (format!("{container}/securityContext/capabilities/drop"), json!([])),
            (format!("{container}/resources"), json!({})),
        ] {
            assert!(is_restricted(&changed(&field, value)).is_err(), "{field}");
        }
    }

    #[test]
    fn a_ca_key_in_the_wrong_pod_is_noticed() {
        let items = "/spec/volumes/0/projected/sources/0/secret/items";
        assert!(mounts_no_foreign_key(&changed(items, json!([{"key": "tls.key"}]))).is_err());
    }
}
