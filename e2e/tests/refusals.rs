//! What Nagaya refuses, in words that name the field, while everything that ran keeps running.

use std::time::Duration;

use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Outcome, Tenant, ensure, ensure_says, invariants, scenario};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(15);
/// A component that missed its probes is ready again by then.
const RECOVERED: Duration = Duration::from_mins(1);

#[test]
fn a_bad_change_is_refused_by_the_name_of_its_field_and_nothing_stops() -> Outcome {
    scenario("refusals", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let before = processes(&tenant)?;
        for (field, change) in bad_changes() {
            refuses(&tenant, field, &change)?;
        }
        for (words, change) in changes_that_are_refused_at_once() {
            refuses_at_once(&tenant, &change, words)?;
        }
        let after = processes(&tenant)?;
        ensure(before == after, || format!("pods were replaced: {before:?}, now {after:?}"))
    })
}

#[test]
fn a_protected_tenant_is_deleted_only_after_its_protection_was_taken_off() -> Outcome {
    scenario("protected", |project| {
        let spec = json!({"version": "1.37", "deletionProtection": true, "paused": true});
        let tenant = Tenant::create(project, "demo", &spec)?;
        let words = ["delete", "tnc", "-n", &project.name, "demo", "--wait=false"];
        let refusal = project.management.refusal(&words)?;
        ensure_says(&refusal, &["spec.deletionProtection"])?;
        let object = project.management.get(&["tnc", "-n", &project.name, "demo"])?;
        let deleted = object.pointer("/metadata/deletionTimestamp");
        ensure(deleted.is_none(), || format!("it is being deleted since {deleted:?}"))?;
        tenant.patch(&json!({"spec": {"deletionProtection": false}}))?;
        tenant.delete()?;
        tenant.await_gone(SOON)
    })
}

#[test]
fn a_new_tenant_that_cannot_be_served_says_which_field_and_makes_nothing() -> Outcome {
    scenario("unborn", |project| {
        for (field, spec) in specs_that_the_schema_refuses() {
            let unborn = Tenant { project, name: "unborn".to_owned() };
            let refusal = project.management.apply_refused(&unborn.manifest(&spec))?;
            ensure_says(&refusal, &[field])?;
        }
        for (field, spec) in bad_specs() {
            let tenant = Tenant::create(project, "unborn", &spec)?;
            let ready = tenant.await_condition("Ready", "False", SOON)?;
            ensure(ready.reason == "Refused", || format!("{ready:?}"))?;
            ensure_says(&ready.message, &[field])?;
            let planes = invariants::planes(project)?;
            ensure(planes.is_empty(), || format!("{field}: {planes:?} was made all the same"))?;
            tenant.delete()?;
            tenant.await_gone(SOON)?;
        }
        for bad in ["Upper", "1digit", "a-name-that-is-longer-than-forty-characters"] {
            let named = Tenant { project, name: bad.to_owned() };
            let refusal =
                project.management.apply_refused(&named.manifest(&json!({"version": "1.37"})))?;
            ensure_says(&refusal, &["metadata.name"])?;
        }
        Ok(())
    })
}

fn refuses_at_once(tenant: &Tenant, change: &Value, words: &str) -> Outcome {
    let patch = change.to_string();
    let of = ["-n", &tenant.project.name, &tenant.name];
    let how = ["--type=merge", "-p", &patch];
    let refusal =
        tenant.project.management.refusal(&[&["patch", "tnc"][..], &of, &how].concat())?;
    ensure_says(&refusal, &[words])
}

/// A field, and a change of a running tenant that only the manager can judge.
fn bad_changes() -> [(&'static str, Value); 4] {
    [
        ("spec.version", json!({"version": "v1.37.0"})),
        ("spec.kubelet.clusterDNS", json!({"kubelet": {"clusterDNS": ["10.0.0.1"]}})),
        ("spec.kubelet.maxPod", json!({"kubelet": {"maxPod": 5}})),
        (
            "spec.addons.kubeProxy.config.mod",
            json!({"addons": {"kubeProxy": {"config": {"mod": "ipvs"}}}}),
        ),
    ]
}

/// By the schema, or by a policy.
fn changes_that_are_refused_at_once() -> [(&'static str, Value); 10] {
    let networks = json!({"networking": {"podCIDRs": ["10.1.0.0/16"]}});
    let retired = json!({"expose": {"retiredEndpoint": "192.0.2.1:30001"}});
    let late = json!({"expose": {"hostname": "late.example.com"}});
    let port = json!({"expose": {"nodePort": {"port": 30001}}});
    let host = json!({"expose": {"nodePort": {"host": "192.0.2.1"}}});
    [
        ("spec.networking is immutable", json!({"spec": networks})),
        ("spec.expose.retiredEndpoint has to be", json!({"spec": retired})),
        ("spec.expose.hostname cannot be set", json!({"spec": late})),
        ("spec.expose.nodePort.port cannot be changed", json!({"spec": port})),
        ("spec.expose.nodePort.host cannot be changed", json!({"spec": host})),
        ("spec.version", json!({"spec": {"version": "newest"}})),
        ("goes up one minor at a time", json!({"spec": {"version": "1.99"}})),
        ("cannot go back to an older minor", json!({"spec": {"version": "v1.36.3"}})),
        ("spec.etcd.replicas must be 1, 3 or 5", json!({"spec": {"etcd": {"replicas": 2}}})),
        ("spec.etcd.storage is immutable", json!({"spec": {"etcd": {"storage": {"size": "9Gi"}}}})),
    ]
}

fn networks(pods: &str, services: &str) -> Value {
    json!({"version": "1.37", "networking": {"podCIDRs": [pods], "serviceCIDRs": [services]}})
}

fn specs_that_the_schema_refuses() -> [(&'static str, Value); 2] {
    [
        ("spec.networking.podCIDRs", networks("10.244.0.0", "10.96.0.0/12")),
        ("spec.version", json!({"version": "one"})),
    ]
}

fn bad_specs() -> [(&'static str, Value); 4] {
    [
        ("spec.version", json!({"version": "1.99"})),
        ("spec.networking.podCIDRs[0]", networks("10.244.0.1/16", "10.96.0.0/12")),
        ("spec.networking.serviceCIDRs", networks("10.96.0.0/16", "10.96.0.0/12")),
        (
            "spec.kubelet.authentication",
            json!({"version": "1.37", "kubelet": {"authentication": {}}}),
        ),
    ]
}

fn refuses(tenant: &Tenant, field: &str, change: &Value) -> Outcome {
    tenant.patch(&json!({"spec": change}))?;
    let accepted = tenant.await_condition("Accepted", "False", SOON)?;
    ensure_says(&accepted.message, &[field])?;
    // Not at every moment: a control plane on a busy machine misses a probe for its own reasons.
    tenant.await_condition("Ready", "True", RECOVERED)?;
    let accepted = tenant.condition("Accepted")?;
    ensure(accepted.status == "False", || format!("Ready only once accepted: {accepted:?}"))?;
    // A merge patch leaves what it does not name: only a whole spec takes the change back.
    let good = tenant.manifest(&spec_for_namespaces("1.37"));
    tenant.project.management.replace(&good)?;
    tenant.await_condition("Accepted", "True", SOON).map(drop)
}

/// The pods of the control plane with their UIDs.
fn processes(tenant: &Tenant) -> Outcome<Vec<(String, String)>> {
    let pods = tenant.project.management.list(&["pods", "-n", &tenant.plane()?])?;
    let of = |pod: &Value| (name(pod).to_owned(), text(pod, "/metadata/uid").to_owned());
    Ok(pods.iter().map(of).collect())
}
