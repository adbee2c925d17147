//! What a scrape sees of tenants.

use serde_json::{Value, json};

use super::super::Metrics;
use super::*;

fn tenant(name: &str, status: Option<&Value>) -> TenantCluster {
    serde_json::from_value(json!({
        "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
        "metadata": {"name": name, "namespace": "acme", "creationTimestamp": "2026-11-26T12:00:00Z"},
        "spec": {"version": "1.37"},
        "status": status,
    }))
    .unwrap()
}

fn status(ready: &str) -> TenantClusterStatus {
    serde_json::from_value(json!({
        "version": "v1.37.1", "controlPlaneNamespace": "nagaya-acme-demo-1", "nodes": 2,
        "conditions": [{
            "type": "Ready", "status": ready, "reason": "Joinable", "message": "",
            "lastTransitionTime": "2026-11-26T12:00:00Z",
        }],
    }))
    .unwrap()
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-26T{time}Z").parse().unwrap()
}

fn scraped(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode().unwrap();
    text.lines()
        .filter(|line| line.starts_with("nagaya_tenantcluster_"))
        .map(str::to_owned)
        .collect()
}

fn provisioned(metrics: &Metrics) -> Vec<String> {
    let is_told = |line: &String| line.contains("_seconds_sum") || line.contains("_seconds_count");
    scraped(metrics).into_iter().filter(is_told).collect()
}

#[test]
fn a_tenant_has_an_info_its_conditions_and_its_numbers() {
    let metrics = Metrics::default();
    let ends = Some(at("13:00:00"));
    metrics.tenants.keep(&tenant("demo", None), &status("False"), ends, at("12:00:01"));
    let size = EtcdSize { total: 3, in_use: 2, quota: 9 };
    metrics.tenants.etcd_size("acme", "demo", size);
    let lines: Vec<String> =
        scraped(&metrics).into_iter().filter(|line| line.contains("acme")).collect();
    let demo = r#"namespace="acme",name="demo""#;
    let expected = [
        format!(
            r#"info{{{demo},version="v1.37.1",control_plane_namespace="nagaya-acme-demo-1"}} 1"#
        ),
        format!(r#"status_condition{{{demo},type="Ready",status="True"}} 0"#),
        format!(r#"status_condition{{{demo},type="Ready",status="False"}} 1"#),
        format!(r#"status_condition{{{demo},type="Ready",status="Unknown"}} 0"#),
        format!("nodes{{{demo}}} 2"),
        format!("certificate_expiration_timestamp_seconds{{{demo}}} 1795698000"),
        format!("etcd_db_total_size_bytes{{{demo}}} 3"),
        format!("etcd_db_total_size_in_use_bytes{{{demo}}} 2"),
        format!("etcd_quota_backend_bytes{{{demo}}} 9"),
    ];
    assert_eq!(lines, expected.map(|line| format!("nagaya_tenantcluster_{line}")));
}

#[test]
fn a_tenant_that_is_gone_leaves_no_series() {
    let metrics = Metrics::default();
    for name in ["demo", "other"] {
        metrics.tenants.keep(&tenant(name, None), &status("True"), None, at("12:00:01"));
    }
    metrics.tenants.forget("acme", "demo");
    let size = EtcdSize { total: 3, in_use: 2, quota: 9 };
    metrics.tenants.etcd_size("acme", "demo", size);
    let text = metrics.encode().unwrap();
    assert!(!text.contains(r#"name="demo""#), "{text}");
    assert!(text.contains(r#"name="other""#), "{text}");
}

#[test]
fn a_new_version_takes_the_place_of_the_old_one() {
    let metrics = Metrics::default();
    let newer = TenantClusterStatus { version: Some("v1.37.2".to_owned()), ..status("True") };
    metrics.tenants.keep(&tenant("demo", None), &status("True"), None, at("12:00:01"));
    metrics.tenants.keep(&tenant("demo", None), &newer, None, at("12:00:02"));
    let text = metrics.encode().unwrap();
    assert!(text.contains("v1.37.2") && !text.contains("v1.37.1"), "{text}");
}

#[test]
fn the_first_time_that_a_tenant_is_ready_is_counted_once() {
    let metrics = Metrics::default();
    let raw = tenant("demo", None);
    for (ready, time) in [("False", "12:00:01"), ("True", "12:00:14"), ("False", "12:01:00")] {
        metrics.tenants.keep(&raw, &status(ready), None, at(time));
    }
    metrics.tenants.keep(&raw, &status("True"), None, at("12:02:00"));
    let expected = ["sum 14.0", "count 1"];
    let expected =
        expected.map(|end| format!("nagaya_tenantcluster_provision_duration_seconds_{end}"));
    assert_eq!(provisioned(&metrics), expected);
}

#[test]
fn a_tenant_that_was_there_before_this_manager_is_not_counted() {
    let metrics = Metrics::default();
    let raw = tenant("demo", Some(&json!(status("False"))));
    metrics.tenants.keep(&raw, &status("True"), None, at("12:02:00"));
    let expected = ["sum 0.0", "count 0"];
    let expected =
        expected.map(|end| format!("nagaya_tenantcluster_provision_duration_seconds_{end}"));
    assert_eq!(provisioned(&metrics), expected);
}
