//! What readers see of a watch.

use futures::FutureExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::json;

use super::*;
use crate::kube_ops::{Fingerprints, owned_fields};

fn set(name: &str, replicas: i32) -> StatefulSet {
    set_in("plane", name, replicas)
}

fn set_in(namespace: &str, name: &str, replicas: i32) -> StatefulSet {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"a": "b"}},
        "spec": {
            "replicas": replicas, "selector": {}, "serviceName": "etcd",
            "template": {"spec": {"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]}},
        },
    }))
    .unwrap()
}

fn etcd() -> ObjectRef<StatefulSet> {
    ObjectRef::new("etcd").within("plane")
}

fn all(store: &TextStore<StatefulSet>) -> Vec<StatefulSet> {
    store.in_namespaces(|_| true)
}

#[test]
fn what_is_read_is_what_was_seen_last() {
    let (store, mut writer) = text_store();
    writer.note(&Event::Apply(set("etcd", 1)));
    writer.note(&Event::Apply(set("etcd", 3)));
    assert_eq!(store.get(&etcd()), Some(set("etcd", 3)));
    assert_eq!(all(&store), [set("etcd", 3)]);
    writer.note(&Event::Delete(set("etcd", 3)));
    assert_eq!(store.get(&etcd()), None);
}

#[test]
fn an_object_comes_out_as_it_went_in() {
    let mut seen: StatefulSet = serde_json::from_value(json!({
        "metadata": {
            "name": "etcd", "namespace": "plane", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": {}, "finalizers": [],
            "managedFields": [{
                "manager": "nagaya", "operation": "Apply", "apiVersion": "apps/v1",
                "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }],
        },
        "spec": {
            "selector": {}, "serviceName": "etcd",
            "template": {"spec": {"containers": [{
                "name": "etcd",
                "ports": [{"containerPort": 2379}],
                "livenessProbe": {"httpGet": {"port": "health"}},
                "readinessProbe": {"httpGet": {"port": 2381}},
                "resources": {"requests": {"cpu": "100m", "memory": "1.5Gi"}},
            }]}},
        },
        "status": {"replicas": 3, "conditions": []},
    }))
    .unwrap();
    owned_fields::keep_only_ours(seen.meta_mut());
    let (store, mut writer) = text_store();
    writer.note(&Event::Apply(seen.clone()));
    assert_eq!(store.get(&etcd()), Some(seen));
}

#[test]
fn the_same_name_in_two_namespaces_is_two_objects() {
    let (store, mut writer) = text_store();
    writer.note(&Event::Apply(set_in("plane", "etcd", 1)));
    writer.note(&Event::Apply(set_in("another", "etcd", 3)));
    assert_eq!(
        store.get(&ObjectRef::new("etcd").within("another")).unwrap().spec.unwrap().replicas,
        Some(3)
    );
    assert_eq!(store.get(&ObjectRef::new("etcd").within("nowhere")), None);
    assert_eq!(store.in_namespaces(|namespace| namespace == "plane"), [set("etcd", 1)]);
    writer.note(&Event::Delete(set_in("another", "etcd", 3)));
    assert_eq!(all(&store), [set("etcd", 1)]);
}

#[test]
fn a_list_replaces_everything_and_is_not_seen_before_its_end() {
    let (store, mut writer) = text_store();
    writer.note(&Event::Apply(set("etcd", 1)));
    writer.note(&Event::Init);
    writer.note(&Event::InitApply(set("scheduler", 1)));
    assert_eq!(all(&store), [set("etcd", 1)]);
    // The list before broke off.
    writer.note(&Event::Init);
    writer.note(&Event::InitApply(set("controller-manager", 1)));
    writer.note(&Event::InitDone);
    assert_eq!(all(&store), [set("controller-manager", 1)]);
}

#[test]
fn it_is_ready_with_the_end_of_the_first_list_or_when_nobody_fills_it() {
    let (store, mut writer) = text_store::<StatefulSet>();
    writer.note(&Event::Init);
    assert!(store.wait_until_ready().now_or_never().is_none());
    writer.note(&Event::InitDone);
    assert!(store.wait_until_ready().now_or_never().is_some());
    let (store, writer) = text_store::<StatefulSet>();
    drop(writer);
    assert!(store.wait_until_ready().now_or_never().is_some());
}

#[test]
fn what_an_object_is_known_as_is_forgotten_with_its_next_change() {
    let fingerprints = Fingerprints::default();
    let (one, other) = (fingerprints.of(&"one").unwrap(), fingerprints.of(&"other").unwrap());
    let (store, mut writer) = text_store();
    writer.note(&Event::Apply(set("etcd", 1)));
    assert!(!store.find(&etcd()).unwrap().is_known_as(one), "nobody has looked");
    store.find(&etcd()).unwrap().know_as(one);
    let seen = store.find(&etcd()).unwrap();
    assert!(seen.is_known_as(one) && !seen.is_known_as(other));
    writer.note(&Event::Apply(set("etcd", 3)));
    assert!(!store.find(&etcd()).unwrap().is_known_as(one));
}
