//! What counts as "still as we applied it". The field sets are as kube-apiserver 1.37 writes them.

use serde_json::json;

use super::*;

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "etcd", "namespace": "p", "labels": {"app": "etcd"}},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": "etcd"},
            "ports": [{"name": "client", "port": 2379}, {"name": "peer", "port": 2380}],
        },
    })
}

fn fields() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:clusterIP": {},
            "f:selector": {},
            "f:ports": {
                "k:{\"port\":2379,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
                "k:{\"port\":2380,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
            },
        },
    })
}

/// Ours in every [`live`] object.
const MARK: &str = "nagaya.dev/mark";

fn live(manager: &str, operation: &str, fields: &Value) -> ObjectMeta {
    let mut fields = fields.clone();
    fields["f:metadata"]["f:annotations"][format!("f:{MARK}")] = json!({});
    serde_json::from_value(json!({"managedFields": [{
        "manager": manager, "operation": operation, "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    }]}))
    .unwrap()
}

#[test]
fn an_object_is_ours_while_our_entry_names_every_field() {
    assert!(are_all_ours(&live("nagaya", "Apply", &fields()), &service(), MARK));
}

#[test]
fn a_field_that_somebody_else_changed_is_no_longer_ours() {
    let mut fields = fields();
    fields["f:spec"].as_object_mut().unwrap().remove("f:clusterIP");
    assert!(!are_all_ours(&live("nagaya", "Apply", &fields), &service(), MARK));
}

#[test]
fn an_object_whose_mark_somebody_else_changed_is_no_longer_ours() {
    assert!(!are_all_ours(&live("nagaya", "Apply", &fields()), &service(), "nagaya.dev/other"));
}

#[test]
fn a_list_item_that_somebody_else_removed_is_no_longer_ours() {
    let mut fields = fields();
    let ports = fields["f:spec"]["f:ports"].as_object_mut().unwrap();
    ports.remove("k:{\"port\":2380,\"protocol\":\"TCP\"}");
    assert!(!are_all_ours(&live("nagaya", "Apply", &fields), &service(), MARK));
}

#[test]
fn a_field_inside_a_list_item_that_somebody_else_changed_is_no_longer_ours() {
    let mut fields = fields();
    let peer = &mut fields["f:spec"]["f:ports"]["k:{\"port\":2380,\"protocol\":\"TCP\"}"];
    peer.as_object_mut().unwrap().remove("f:name");
    assert!(!are_all_ours(&live("nagaya", "Apply", &fields), &service(), MARK));
}

#[test]
fn what_another_applied_is_not_what_we_applied() {
    assert!(!are_all_ours(&live("kubectl", "Apply", &fields()), &service(), MARK));
    assert!(!are_all_ours(&ObjectMeta::default(), &service(), MARK));
}

#[test]
fn what_we_made_by_post_counts_until_we_apply() {
    let mut made = live("nagaya", "Update", &fields());
    assert!(are_all_ours(&made, &service(), MARK));
    let applied = live("nagaya", "Apply", &json!({"f:metadata": {}, "f:spec": {"f:type": {}}}));
    made.managed_fields.get_or_insert_default().extend(applied.managed_fields.unwrap());
    assert!(!are_all_ours(&made, &service(), MARK));
}

#[test]
fn a_finalizer_is_found_in_its_set() {
    let desired = json!({"apiVersion": "v1", "metadata": {"finalizers": ["nagaya.dev/plane"]}});
    let with = json!({"f:metadata": {"f:finalizers": {"v:\"nagaya.dev/plane\"": {}}}});
    let without = json!({"f:metadata": {"f:finalizers": {"v:\"other\"": {}}}});
    assert!(are_all_ours(&live("nagaya", "Apply", &with), &desired, MARK));
    assert!(!are_all_ours(&live("nagaya", "Apply", &without), &desired, MARK));
}

#[test]
fn caches_keep_our_entry_only() {
    let mut meta = live("nagaya", "Apply", &fields());
    let foreign = live("kubectl", "Update", &json!({"f:spec": {}})).managed_fields.unwrap();
    meta.managed_fields.as_mut().unwrap().extend(foreign);
    keep_only_ours(&mut meta);
    assert_eq!(meta.managed_fields.as_ref().unwrap().len(), 1);
    assert!(are_all_ours(&meta, &service(), MARK));
    let mut other = service();
    other["spec"]["type"] = json!("NodePort");
    assert!(!are_all_ours(&meta, &other, MARK));
}

#[test]
fn whoever_took_a_field_of_ours_is_named_with_it() {
    let mut ours = fields();
    ours["f:spec"].as_object_mut().unwrap().remove("f:clusterIP");
    let peer = "k:{\"port\":2380,\"protocol\":\"TCP\"}";
    ours["f:spec"]["f:ports"][peer].as_object_mut().unwrap().remove("f:name");
    let mut taken = live("nagaya", "Apply", &ours);
    let mut add = |manager: &str, fields: Value| {
        let other = live(manager, "Update", &fields);
        taken.managed_fields.get_or_insert_default().extend(other.managed_fields.unwrap());
        first_taken(&taken, &service())
    };
    let beside = json!({"f:spec": {"f:selector": {}, "f:type": {}}});
    assert_eq!(add("kubelet", beside), None, "what is ours too, or none of ours, is not taken");
    let port = json!({"f:spec": {"f:ports": {peer: {"f:name": {}}}}});
    let who = ("spec.ports[2380].name".to_owned(), "mesh".to_owned());
    assert_eq!(add("mesh", port), Some(who));
}
