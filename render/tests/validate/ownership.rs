//! Whose a control plane is, and what one that is taken over keeps.

use super::*;

#[test]
fn a_plane_that_is_adopted_keeps_its_networks_and_its_storage() {
    let made = object(json!({"version": "v1.35.4"})).spec;
    let retained = PlaneRecord { retained: true, accepted_spec: Some(made), ..record() };
    let other = |field: &str, value: Value| {
        let raw = object(json!({"version": "v1.35.4", field: value}));
        check(&raw, std::slice::from_ref(&retained)).unwrap_err().field
    };
    let networking = json!({"podCIDRs": ["10.1.0.0/16"]});
    assert_eq!(other("networking", networking), "spec.networking");
    assert_eq!(other("etcd", json!({"storage": {"size": "9Gi"}})), "spec.etcd.storage");
}

#[test]
fn a_plane_of_another_object_is_adopted_only_with_consent() {
    let mut raw = object(json!({"version": "1.35"}));
    let foreign = PlaneRecord { owner_uid: Some("uid-0".to_owned()), ..record() };
    assert_eq!(check(&raw, std::slice::from_ref(&foreign)).unwrap_err().field, "metadata.name");
    let retained = PlaneRecord { retained: true, ..foreign.clone() };
    assert_eq!(check(&raw, &[retained]).unwrap().plane_namespace, "nagaya-shop-demo-x");
    raw.metadata.annotations = Some([(labels::ADOPT.to_owned(), "uid-0".to_owned())].into());
    assert_eq!(check(&raw, &[foreign]).unwrap().exposure.port, Some(31000));
}

#[test]
fn a_plane_that_vanished_is_never_replaced_by_an_empty_twin() {
    let mut raw = object(json!({"version": "1.35"}));
    raw.status = serde_json::from_value(json!({"controlPlaneNamespace": "gone"})).unwrap();
    let refusal = check(&raw, &[]).unwrap_err();
    assert!(refusal.message.contains("restore it from a backup"), "{refusal}");
}

#[test]
fn a_project_that_the_operator_has_not_enabled_is_told_how() {
    let settings = settings();
    let around = Surroundings {
        settings: &settings,
        project_enabled: false,
        planes: &[],
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    let refusal = validate(&object(json!({"version": "1.37"})), around).unwrap_err();
    assert!(refusal.message.contains("kubectl label namespace shop nagaya.dev/project=enabled"));
}
