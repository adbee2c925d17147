//! What a cluster may go back to.

use nagaya_api::Snapshot;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::snapshots::Snapshots;
use nagaya_render::validate::Refusal;
use serde_json::{Value, json};

use super::{check, object, record};

fn snapshot(name: &str, version: &str) -> Snapshot {
    let reason = "scheduled";
    serde_json::from_value(json!({
        "name": name, "time": "2026-11-26T04:00:00Z", "sizeBytes": 1, "version": version,
        "reason": reason,
    }))
    .unwrap()
}

fn restoring(snapshot: &str, plane: PlaneRecord) -> Result<Snapshots, Refusal> {
    let spec = json!({"version": "v1.35.4", "restoreFrom": {"snapshot": snapshot}});
    check(&object(spec), &[plane]).map(|tenant| tenant.snapshots)
}

#[test]
fn a_snapshot_that_is_there_is_restored_once() {
    let snapshots = vec![snapshot("a", "v1.35.4")];
    let found = restoring("a", PlaneRecord { snapshots, ..record() }).unwrap();
    assert_eq!((found.restoring.as_deref(), found.restored), (Some("a"), None));
    // By then it may be gone.
    let done = PlaneRecord { restored_from: Some("a".to_owned()), ..record() };
    let found = restoring("a", done).unwrap();
    assert_eq!((found.restoring, found.restored.as_deref()), (None, Some("a")));
}

#[test]
fn one_that_is_not_there_is_refused_with_those_that_are() {
    let snapshots = vec![snapshot("a", "v1.35.4"), snapshot("b", "v1.35.4")];
    let refusal = restoring("c", PlaneRecord { snapshots, ..record() }).unwrap_err();
    assert_eq!(refusal.field, "spec.restoreFrom.snapshot");
    assert_eq!(refusal.message, "there is no snapshot c; there are: a, b");
}

#[test]
fn one_of_a_newer_minor_is_refused() {
    let plane = |version| PlaneRecord { snapshots: vec![snapshot("a", version)], ..record() };
    assert!(restoring("a", plane("v1.36.0")).unwrap_err().message.contains("is of v1.36.0"));
    assert!(restoring("a", plane("v1.34.0")).is_ok());
}

fn in_a_bucket(change: &Value, plane: PlaneRecord) -> Result<Snapshots, Refusal> {
    let mut bucket = json!({
        "endpoint": "https://s3.example.com", "bucket": "etcd", "secretName": "s3",
    });
    for (key, value) in change.as_object().unwrap() {
        bucket[key] = value.clone();
    }
    let spec = json!({
        "version": "v1.35.4", "snapshots": {"s3": bucket}, "restoreFrom": {"snapshot": "a"},
    });
    check(&object(spec), &[plane]).map(|tenant| tenant.snapshots)
}

#[test]
fn a_bucket_that_cannot_be_one_is_refused_by_the_name_of_the_field() {
    for (field, value) in [
        ("endpoint", "http://s3.example.com"),
        ("endpoint", "https://s3.example.com/path"),
        ("endpoint", "https://s3.example.com:0"),
        ("endpoint", "https://user@s3.example.com"),
        ("bucket", "Not A Bucket"),
        ("region", "eu central"),
        ("prefix", "/begins/with/a/slash"),
        ("prefix", "a/../b"),
        ("secretName", "../s3"),
    ] {
        let refusal = in_a_bucket(&json!({field: value}), record()).unwrap_err();
        assert_eq!(refusal.field, format!("spec.snapshots.s3.{field}"), "{value}: {refusal}");
    }
}

#[test]
fn a_snapshot_of_another_place_is_refused_with_where_it_is() {
    let on_the_volume = snapshot("a", "v1.35.4");
    let plane = |found: &Snapshot| PlaneRecord { snapshots: vec![found.clone()], ..record() };
    let refusal = in_a_bucket(&json!({}), plane(&on_the_volume)).unwrap_err();
    assert!(refusal.message.contains("on the volume"), "{refusal}");

    let elsewhere = Snapshot { location: Some("https://elsewhere".to_owned()), ..on_the_volume };
    let refusal = restoring("a", plane(&elsewhere)).unwrap_err();
    assert!(refusal.message.contains("https://elsewhere; set spec.snapshots.s3"), "{refusal}");

    let location = "https://s3.example.com/etcd/all/shop/demo".to_owned();
    let there = Snapshot { location: Some(location), ..elsewhere };
    let found = in_a_bucket(&json!({"prefix": "all"}), plane(&there)).unwrap();
    assert_eq!(found.restoring.as_deref(), Some("a"));
}
