//! A control plane that was born with a Secret for each certificate comes to one for each component.

use nagaya_api::labels;
use nagaya_render::certificates::LeafSecret;
use serde_json::json;

use crate::history;
use crate::memory_api::{Id, Kind};
use crate::stage::Stage;

const WORKLOADS: [(&str, &str); 4] = [
    ("StatefulSet", "etcd"),
    ("Deployment", "kube-apiserver"),
    ("StatefulSet", "kube-controller-manager"),
    ("StatefulSet", "kube-scheduler"),
];

#[tokio::test(start_paused = true)]
async fn the_secrets_of_before_go_once_the_pods_have_rolled_and_nothing_else_does() {
    let mut stage = Stage::ready().await;
    let names = stage.planes.names_in(&Stage::plane());
    stage.kill_manager();
    age(&stage);
    let (keys, writes) = (history::keys(&stage), stage.management_writes().len());
    stage.start_manager();
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap_or_default());
    assert_eq!(stage.planes.names_in(&Stage::plane()), names);
    history::check(&stage, keys);
    let writes = stage.management_writes().split_off(writes);
    let position = |what: String| writes.iter().position(|write| write.starts_with(&what));
    let rolled = WORKLOADS
        .map(|(kind, name)| position(format!("Apply {kind} {}/{name} ", Stage::plane())).unwrap());
    let removed = writes.iter().position(|write| write.starts_with("Delete Secret ")).unwrap();
    assert!(rolled.iter().all(|rolled| *rolled < removed), "{writes:#?}");
    let removals = writes.iter().filter(|write| write.starts_with("Delete ")).count();
    assert_eq!(removals, LeafSecret::former().count(), "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn they_are_looked_after_until_then() {
    let mut stage = Stage::ready().await;
    stage.kill_manager();
    age(&stage);
    // None of its pods is replaced, whatever becomes of their templates.
    stage.silence(0);
    stage.start_manager();
    stage.settled().await;
    for former in LeafSecret::former() {
        let secret = stage.planes.get("Secret", &Stage::plane(), former.secret_name()).unwrap();
        assert_ne!(secret["data"]["tls.crt"], GARBAGE, "{former:?}");
    }
}

/// What no certificate is.
const GARBAGE: &str = "Z2FyYmFnZQ==";

/// Whether any of them is there.
pub fn are_left(stage: &Stage) -> bool {
    let there = |former: LeafSecret| {
        stage.planes.get("Secret", &Stage::plane(), former.secret_name()).is_some()
    };
    LeafSecret::former().any(there)
}

/// Makes of the plane what a manager of before would have left.
pub fn age(stage: &Stage) {
    let of_plane = |kind: &str, name: &str| Id::new(Kind::named(kind), &Stage::plane(), name);
    let known = stage.planes.get("Secret", &Stage::plane(), "etcd-certs").unwrap();
    for former in LeafSecret::former() {
        let secret = json!({
            "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {
                "name": former.secret_name(), "namespace": Stage::plane(),
                "labels": known["metadata"]["labels"],
            },
            "data": {"tls.crt": GARBAGE, "tls.key": GARBAGE},
        });
        stage.planes.create(&secret).unwrap();
    }
    for secret in LeafSecret::all().filter(|secret| *secret != LeafSecret::Metrics) {
        stage.planes.delete(&of_plane("Secret", secret.secret_name()));
    }
    let template = json!({"spec": {"template": {"metadata": {
        "annotations": {labels::RENDER_REVISION: "of before"},
    }}}});
    for (kind, name) in WORKLOADS {
        stage.planes.patch(&of_plane(kind, name), &template);
    }
    let record = json!({"metadata": {"annotations": {labels::TEMPLATES: "of before"}}});
    stage.planes.patch(&Id::new(Kind::named("Namespace"), "", &Stage::plane()), &record);
}
