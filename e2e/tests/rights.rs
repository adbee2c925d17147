//! What the manager may and may not do, asked from the API server as the manager.

use e2e::ring::{Kubectl, Outcome, Project, Tenant, ensure, ensure_says, scenario};
use serde_json::{Value, json};

const MANAGER: &str = "system:serviceaccount:nagaya-system:nagaya";

#[test]
fn the_manager_may_do_its_work_and_nothing_else() -> Outcome {
    scenario("rights", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let plane = tenant.plane()?;
        for words in ["list tenantclusters -A", "watch namespaces", "list statefulsets.apps -A"] {
            may(words, true)?;
        }
        for namespace in [project.name.as_str(), plane.as_str()] {
            for verb in ["get", "create", "patch", "delete"] {
                may(&format!("{verb} secrets -n {namespace}"), true)?;
            }
            for verb in ["list", "watch"] {
                may(&format!("{verb} secrets -n {namespace}"), false)?;
            }
        }
        for words in NEVER {
            may(words, false)?;
        }
        cannot_reach_beyond(project)
    })
}

/// Rights that would make the manager an administrator.
const NEVER: [&str; 14] = [
    "get secrets -A",
    "list secrets -A",
    "watch secrets -A",
    "get secrets -n kube-system",
    "create secrets -n default",
    "get secrets -n nagaya-system",
    "create pods -A",
    "create pods/exec -A",
    "create clusterrolebindings.rbac.authorization.k8s.io",
    "create clusterroles.rbac.authorization.k8s.io",
    "escalate clusterroles.rbac.authorization.k8s.io",
    "bind clusterroles.rbac.authorization.k8s.io/cluster-admin",
    "impersonate users",
    "create serviceaccounts/token -A",
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
    let wrong_place = binding(&project.name, "nagaya-manager", "nagaya:control-plane");
    refuses_binding(&wrong_place, "control-plane")?;
    let spec = json!({"spec": {"paused": true}}).to_string();
    let patch = ["patch", "tnc", "-n", &project.name, "demo", "--type=merge", "-p", &spec];
    refused(&patch, "may not change what")
}

fn may(words: &str, allowed: bool) -> Outcome {
    let asked: Vec<&str> = ["auth", "can-i"].into_iter().chain(words.split(' ')).collect();
    // kubectl ends with an error when the answer is no.
    let answer = match Kubectl::management().acting_as(MANAGER).run(&asked) {
        Ok(answer) => answer,
        Err(no) => no.to_string(),
    };
    let yes = answer.lines().any(|line| line.trim() == "yes");
    let no = answer.lines().any(|line| line.trim().starts_with("no"));
    ensure(yes != no, || format!("no clear answer to {words:?}: {answer}"))?;
    ensure(yes == allowed, || format!("the manager may {words}: {yes}, which should be {allowed}"))
}

fn refuses_binding(binding: &Value, says: &str) -> Outcome {
    let refusal = Kubectl::management().acting_as(MANAGER).apply_refused(binding)?;
    ensure_says(&refusal, &["ValidatingAdmissionPolicy", says])
}

fn binding(namespace: &str, name: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "nagaya", "namespace": "nagaya-system"}],
    })
}
