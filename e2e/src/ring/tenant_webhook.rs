//! A validating webhook in a tenant's own cluster: nginx in a pod, behind a Service, with a CA of its own. It is asked
//! about `ConfigMaps` that are to be judged, and refuses those that say `forbidden`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::certificate::make_certificate;
use super::workload::await_pod;
use super::{Kubectl, Look, Outcome, ensure_says, wait_until};
use crate::images::NGINX;
use crate::paths;

const NAME: &str = "referee";
const FILES: &str = "/etc/referee";
/// Until API servers have seen a new configuration.
const SEEN: Duration = Duration::from_secs(30);

/// Runs it and has the API server ask it.
///
/// # Errors
/// It does not run, or nobody asks it.
pub fn deploy(cluster: &Kubectl) -> Outcome {
    let folder = paths::state().join(NAME);
    paths::make_folder(&folder)?;
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    make_certificate(&format!("DNS:{NAME}.default.svc"), &certificate, &key)?;
    let (certificate, key) = (paths::read_text(&certificate)?, paths::read_text(&key)?);
    paths::remove_folder(&folder)?;
    let files = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME},
        "stringData": {
            "nginx.conf": include_str!("tenant_webhook.conf"),
            "tls.crt": certificate, "tls.key": key,
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": 8443}]},
    });
    cluster
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": [files, service, pod()]}))?;
    await_pod(cluster, NAME)?;
    cluster.apply(&configuration(&certificate))?;
    wait_until("the webhook is asked", SEEN, || {
        Ok(Look::done_if(judged(cluster, "forbidden").is_err(), || "nobody asks it".to_owned()))
    })
}

/// One object is refused with its words, another one passes.
///
/// # Errors
/// It is not so, or it is not reached.
pub fn judges(cluster: &Kubectl) -> Outcome {
    match judged(cluster, "forbidden") {
        Err(refusal) => ensure_says(
            &refusal.to_string(),
            &["admission webhook \"referee.example.com\" denied", "the referee says no"],
        )?,
        Ok(made) => ensure_says(&made, &["it should have been refused"])?,
    }
    ensure_says(&judged(cluster, "welcome")?, &["created (server dry run)"])
}

/// What becomes of an object that says so.
fn judged(cluster: &Kubectl, says: &str) -> Outcome<String> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": says, "labels": {"judged": "true"}}, "data": {"says": says},
    });
    cluster.feed(&["create", "--dry-run=server", "-f", "-"], &object.to_string())
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "containers": [{
                "name": "nginx", "image": NGINX, "imagePullPolicy": "IfNotPresent",
                "command": ["nginx", "-c", format!("{FILES}/nginx.conf"), "-g", "daemon off;"],
                "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
                "volumeMounts": [{"name": "files", "mountPath": FILES, "readOnly": true}],
            }],
            "volumes": [{"name": "files", "secret": {"secretName": NAME}}],
        },
    })
}

fn configuration(certificate: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [{
            "name": "referee.example.com", "sideEffects": "None", "failurePolicy": "Fail",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "service": {"namespace": "default", "name": NAME},
                "caBundle": BASE64.encode(certificate),
            },
            "objectSelector": {"matchLabels": {"judged": "true"}},
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["configmaps"],
            }],
        }],
    })
}
