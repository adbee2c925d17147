//! What the manager may and may not do, asked from the API server as the manager.

use std::time::Duration;

use e2e::ring::{
    Failure, Kubectl, Look, Outcome, Project, Tenant, ensure, ensure_says, scenario, wait_until,
};
use serde_json::{Value, json};

const MANAGER: &str = "system:serviceaccount:nagaya-system:nagaya";

#[test]
fn the_manager_may_do_its_work_and_nothing_else() -> Outcome {
    scenario("rights", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let plane = tenant.plane()?;
        for words in
            ["list nagaya.dev tenantclusters", "watch - namespaces", "list apps statefulsets"]
        {
            may(words, "", true)?;
        }
        for namespace in [project.name.as_str(), plane.as_str()] {
            for verb in ["get", "create", "patch"] {
                may(&format!("{verb} - secrets"), namespace, true)?;
            }
            for verb in ["list", "watch"] {
                may(&format!("{verb} - secrets"), namespace, false)?;
            }
        }
        for (words, namespace) in NEVER {
            may(words, namespace, false)?;
        }
        cannot_reach_beyond(project)?;
        gives_back_what_the_operator_takes(project)
    })
}

fn gives_back_what_the_operator_takes(project: &Project) -> Outcome {
    let binding = ["rolebinding", "-n", &project.name, "nagaya-manager"];
    ensure(project.management.find(&binding)?.is_some(), || "there is no binding".to_owned())?;
    project.management.run(&["label", "namespace", &project.name, "nagaya.dev/project-"])?;
    wait_until("the manager's binding is gone", Duration::from_secs(5), || {
        let left = project.management.find(&binding)?;
        Ok(Look::done_if(left.is_none(), || "it is still there".to_owned()))
    })?;
    may("get - secrets", &project.name, false)
}

/// Rights that would make the manager an administrator: verb, API group (`-` is the core's) and resource,
/// and a namespace or all of them.
const NEVER: [(&str, &str); 15] = [
    ("get - secrets", ""),
    ("list - secrets", ""),
    ("watch - secrets", ""),
    ("get - secrets", "kube-system"),
    ("get - secrets", "nagaya-system"),
    ("create - secrets", "default"),
    ("create - pods", ""),
    ("create - pods/exec", ""),
    ("create batch jobs", "default"),
    ("create - serviceaccounts/token", ""),
    ("impersonate - users", ""),
    ("create rbac.authorization.k8s.io clusterrolebindings", ""),
    ("create rbac.authorization.k8s.io clusterroles", ""),
    ("escalate rbac.authorization.k8s.io clusterroles", ""),
    ("bind rbac.authorization.k8s.io clusterroles", ""),
];

/// What RBAC cannot forbid, the policies do.
fn cannot_reach_beyond(project: &Project) -> Outcome {
    let refused = |words: &[&str], says: &str| {
        let refusal = Kubectl::management().acting_as(MANAGER).refusal(words)?;
        ensure_says(&refusal, &["ValidatingAdmissionPolicy", says])
    };
    let label = ["label", "namespace", "kube-public"];
    refused(&[&label[..], &["nagaya.dev/project=enabled"]].concat(), "control-plane=true")?;
    refused(&[&label[..], &["nagaya.dev/control-plane=true"]].concat(), "control-plane=true")?;
    refused(&["delete", "namespace", &project.name], "control-plane=true")?;
    let enabled = ["label", "namespace", &project.name, "nagaya.dev/project-"];
    refused(&enabled, "control-plane=true")?;
    let outside = binding("kube-system", "nagaya-manager", "nagaya:project");
    refuses_binding(&outside, "labelled nagaya.dev/project=enabled")?;
    let other = binding(&project.name, "mine", "nagaya:project");
    refuses_binding(&other, "no RoleBinding but its own")?;
    let no_plane = binding("default", "nagaya-manager", "nagaya:control-plane");
    refuses_binding(&no_plane, "labelled nagaya.dev/control-plane=true")?;
    let adopt = json!({"metadata": {"annotations": {"nagaya.dev/adopt": "another-uid"}}});
    for change in [json!({"spec": {"paused": true}}), adopt] {
        let change = change.to_string();
        let patch = ["patch", "tnc", "-n", &project.name, "demo", "--type=merge", "-p", &change];
        refused(&patch, "may not change what")?;
    }
    Ok(())
}

/// Asks the authorizer, as the administrator who may.
fn may(words: &str, namespace: &str, allowed: bool) -> Outcome {
    let mut parts = words.split(' ');
    let mut next = || parts.next().unwrap_or_default();
    let (verb, group, resource) = (next(), next(), next());
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = Kubectl::management().create(&json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": MANAGER,
            "groups": [
                "system:serviceaccounts", "system:serviceaccounts:nagaya-system",
                "system:authenticated",
            ],
            "resourceAttributes": {
                "verb": verb, "group": group.trim_matches('-'), "resource": resource,
                "subresource": subresource, "namespace": namespace,
            },
        },
    }))?;
    ensure(review["status"]["allowed"] == allowed, || {
        format!("{words} in {namespace:?} should be {allowed}: {}", review["status"])
    })
}

fn refuses_binding(binding: &Value, says: &str) -> Outcome {
    // Not by `kubectl apply`, which reads first: the manager may not even do that.
    match Kubectl::management().acting_as(MANAGER).create(binding) {
        Err(refusal) => ensure_says(&refusal.to_string(), &["ValidatingAdmissionPolicy", says]),
        Ok(made) => Err(Failure::new(format!("should have been refused: {made}"))),
    }
}

fn binding(namespace: &str, name: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "nagaya", "namespace": "nagaya-system"}],
    })
}
