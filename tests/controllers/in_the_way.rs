//! An object of somebody else has the name that one of ours in a control plane should have: it is named and left alone,
//! and ours is made when it is gone. One of ours without its labels is not taken for such.

use std::sync::Arc;

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage};

fn ours() -> [Id; 6] {
    let plane = Stage::plane();
    let of = |kind: &str, namespace: &str, name: &str| Id::new(Kind::named(kind), namespace, name);
    [
        of("Service", &plane, "etcd-client"),
        of("ConfigMap", &plane, "kube-apiserver-authentication"),
        of("StatefulSet", &plane, "kube-scheduler"),
        of("Deployment", &plane, "kube-apiserver"),
        of("RoleBinding", &plane, "nagaya-manager"),
        of("RoleBinding", PROJECT, "nagaya-manager"),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_object_of_somebody_else_is_named_and_left_alone() {
    for id in ours() {
        let stage = Stage::ready().await;
        let theirs = replaced(&stage, &id);
        stage.until("it is named", |stage| said(stage).contains(&id.name)).await;
        let words = said(&stage);
        for part in ["exists and is not Nagaya's", "rename or delete it", id.kind] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
        assert_eq!(but_for_status(now(&stage, &id)), theirs, "{id} was touched");
        stage.planes.delete(&id);
        stage.until("ours is back", |stage| is_ours(&now(stage, &id))).await;
        stage.until("nothing is said", |stage| said(stage).is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_ours_gets_its_labels_back() {
    for id in ours() {
        let stage = Stage::ready().await;
        let before = now(&stage, &id);
        stage.planes.patch(&id, &json!({"metadata": {"labels": null}}));
        stage.until("they are back", |stage| is_ours(&now(stage, &id))).await;
        assert_eq!(now(&stage, &id)["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(now(&stage, &id)["metadata"]["labels"], before["metadata"]["labels"]);
    }
}

/// Puts an object of somebody else in the place of ours, before any controller can look.
fn replaced(stage: &Stage, id: &Id) -> Value {
    let mut theirs = now(stage, id);
    let metadata =
        json!({"name": id.name, "namespace": id.namespace, "annotations": {"whose": "theirs"}});
    theirs["metadata"] = metadata;
    stage.planes.delete(id);
    stage.planes.create(&theirs).unwrap();
    but_for_status(now(stage, id))
}

/// What nobody but its maker writes.
fn but_for_status(mut object: Value) -> Value {
    let fields = object.as_object_mut().unwrap();
    fields.remove("status");
    let metadata = fields["metadata"].as_object_mut().unwrap();
    for of_each_write in ["managedFields", "resourceVersion"] {
        metadata.remove(of_each_write);
    }
    object
}

fn now(stage: &Stage, id: &Id) -> Value {
    Arc::unwrap_or_clone(stage.planes.get(id.kind, &id.namespace, &id.name).unwrap_or_default())
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][labels::MANAGED_BY] == labels::MANAGER
}

fn said(stage: &Stage) -> String {
    let condition = stage.condition(conditions::RECONCILING);
    condition["message"].as_str().unwrap_or_default().to_owned()
}
