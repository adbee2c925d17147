//! What an operator of the management cluster may put in a control plane's way: quotas, classes, policies and webhooks.

use e2e::ring::kubectl::{name, text};
use e2e::ring::{Kubectl, Outcome, Project, Webhook};
use serde_json::{Value, json};

/// Objects that are there until it is dropped, also when the test fails.
pub struct Hindrance {
    management: Kubectl,
    objects: Vec<Value>,
}

impl Hindrance {
    /// Applies the objects.
    pub fn place(project: &Project, objects: &[Value]) -> Outcome<Self> {
        let placed = Self { management: project.management.clone(), objects: objects.to_vec() };
        objects.iter().try_for_each(|object| placed.management.apply(object))?;
        Ok(placed)
    }
}

impl Drop for Hindrance {
    fn drop(&mut self) {
        for object in &self.objects {
            let namespace = text(object, "/metadata/namespace");
            let words = [
                "delete",
                text(object, "/kind"),
                name(object),
                "-n",
                namespace,
                "--ignore-not-found",
            ];
            // The failure of the test says more than that of cleaning up after it.
            let _ = self.management.run(&words);
        }
    }
}

/// Whether a pod that was hindered comes up by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was not made, and is as soon as it may be.
    Clears,
    /// It was made as it is, and somebody has to replace it.
    Stays,
}

/// One way to hinder the pods of kube-scheduler.
pub struct Way {
    pub objects: Vec<Value>,
    pub reason: &'static str,
    /// What has to be said: the object, and the next step.
    pub says: &'static [&'static str],
    pub kind: Kind,
}

/// Every way, in a plane.
pub fn of_pods(plane: &str) -> [Way; 5] {
    let mutation =
        |path: &str, value: &str| mutating_policy("ring-pods", plane, &PODS, path, value);
    [
        Way {
            objects: vec![json!({
                "apiVersion": "v1", "kind": "ResourceQuota",
                "metadata": {"name": "ring-none", "namespace": plane}, "spec": {"hard": {"pods": "0"}},
            })],
            reason: "QuotaExceeded",
            says: &["StatefulSet kube-scheduler", "ring-none", "raise or remove the ResourceQuota"],
            kind: Kind::Clears,
        },
        Way {
            objects: validating_policy("ring-denied", plane),
            reason: "AdmissionDenied",
            says: &[
                "StatefulSet kube-scheduler",
                "ring-denied",
                "not today",
                "except control-plane namespaces",
            ],
            kind: Kind::Clears,
        },
        Way {
            objects: mutation("/spec/hostPID", "true"),
            reason: "PodSecurityRefused",
            says: &["StatefulSet kube-scheduler", "hostPID", "pod-security"],
            kind: Kind::Clears,
        },
        Way {
            objects: mutation("/spec/nodeSelector", "{'ring': 'nowhere'}"),
            reason: "Unschedulable",
            says: &["kube-scheduler-0", "node", "nodeSelector"],
            kind: Kind::Stays,
        },
        Way {
            objects: mutation("/spec/containers/0/args", "['--ring']"),
            reason: "CrashLoop",
            says: &["kube-scheduler-0", "exit code 1", "unknown flag: --ring", "kubectl logs"],
            kind: Kind::Stays,
        },
    ]
}

/// A field of kube-scheduler's StatefulSet that is contested, and what Nagaya wants there.
pub const CONTESTED: (&str, u8) = ("revisionHistoryLimit", 2);

/// A policy that changes the contested field whenever anybody writes it.
pub fn policy_that_contests(plane: &str) -> Vec<Value> {
    let path = format!("/spec/{}", CONTESTED.0);
    mutating_policy("ring-contest", plane, &STATEFUL_SETS, &path, "7")
}

/// A webhook that does, as long as it runs.
pub fn webhook_that_contests() -> Outcome<Webhook> {
    Webhook::start(&format!("/spec/{}", CONTESTED.0), &json!(7))
}

/// What has the API server ask it.
pub fn ask(webhook: &Webhook, plane: &str) -> Vec<Value> {
    let mut asked = json!({
        "name": "contest.ring.example", "clientConfig": webhook.client_config(),
        "objectSelector": {"matchLabels": {"app.kubernetes.io/name": "kube-scheduler"}},
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
        "rules": constraints(&STATEFUL_SETS)["resourceRules"],
    });
    asked["namespaceSelector"] = only_in(plane)["namespaceSelector"].take();
    vec![json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "ring-contest"}, "webhooks": [asked],
    })]
}

struct Matched {
    group: &'static str,
    resource: &'static str,
    operations: &'static [&'static str],
}

const PODS: Matched = Matched { group: "", resource: "pods", operations: &["CREATE"] };
const STATEFUL_SETS: Matched =
    Matched { group: "apps", resource: "statefulsets", operations: &["CREATE", "UPDATE"] };

/// Of kube-scheduler, whatever the name of its pods.
const OF_SCHEDULER: &str = "has(object.metadata.labels) && 'app.kubernetes.io/name' in object.metadata.labels && \
     object.metadata.labels['app.kubernetes.io/name'] == 'kube-scheduler'";

fn constraints(matched: &Matched) -> Value {
    json!({"resourceRules": [{
        "apiGroups": [matched.group], "apiVersions": ["v1"], "resources": [matched.resource],
        "operations": matched.operations,
    }]})
}

fn only_in(plane: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": plane}}})
}

fn mutating_policy(
    name: &str,
    plane: &str,
    matched: &Matched,
    path: &str,
    value: &str,
) -> Vec<Value> {
    let expression = format!("[JSONPatch{{op: 'add', path: '{path}', value: {value}}}]");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": constraints(matched), "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConditions": [{"name": "scheduler", "expression": OF_SCHEDULER}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "matchResources": only_in(plane)},
    });
    vec![policy, binding]
}

fn validating_policy(name: &str, plane: &str) -> Vec<Value> {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": constraints(&PODS), "failurePolicy": "Fail",
            "matchConditions": [{"name": "scheduler", "expression": OF_SCHEDULER}],
            "validations": [{"expression": "false", "message": "not today"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {
            "policyName": name, "validationActions": ["Deny"], "matchResources": only_in(plane),
        },
    });
    vec![policy, binding]
}
