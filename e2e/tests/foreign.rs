//! What is not Nagaya's is left alone, and the words say what to do about it.

use std::time::Duration;

use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Kubectl, Look, Outcome, Project, Tenant, ensure, ensure_says, invariants, scenario, wait_until,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_kubeconfig_secret_of_somebody_else_is_never_touched() -> Outcome {
    scenario("foreign-secret", |project| {
        let management = &project.management;
        management.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"value": "mine"},
            "metadata": {"name": "demo-kubeconfig", "namespace": project.name},
        }))?;
        let secret = ["secret", "-n", &project.name, "demo-kubeconfig"];
        let before = management.get(&secret)?;
        let tenant = Tenant::create(project, "demo", &spec_for_namespaces("1.37"))?;
        let said = tenant.await_condition("Reconciling", "True", SOON)?;
        let said = wait_until("the TenantCluster says what is in the way", SOON, || {
            let now = tenant.condition("Reconciling").unwrap_or_else(|_| said.clone());
            let seen = format!("{now:?}");
            Ok(Look::some((now.reason == "KubeconfigForeign").then_some(now), || seen))
        })?;
        ensure_says(&said.message, &["demo-kubeconfig", "delete it"])?;
        let after = management.get(&secret)?;
        ensure(before == after, || format!("it was touched: {after}"))?;
        management.run(&["delete", "secret", "-n", &project.name, "demo-kubeconfig"])?;
        tenant.await_ready()?;
        tenant.admin()?.run(&["get", "namespaces"]).map(drop)
    })
}

#[test]
fn a_namespace_that_is_not_enabled_is_told_how_to_be() -> Outcome {
    scenario("foreign-project", |project| {
        set_label(project, "nagaya.dev/project-")?;
        let tenant = Tenant::create(project, "demo", &json!({"version": "1.37"}))?;
        let ready = tenant.await_condition("Ready", "False", SOON)?;
        let command =
            format!("kubectl label namespace {} nagaya.dev/project=enabled", project.name);
        ensure_says(&ready.message, &[&command])?;
        ensure(invariants::planes(project)?.is_empty(), || "a plane was made".to_owned())?;
        set_label(project, "nagaya.dev/project=enabled")?;
        tenant.await_condition("Accepted", "True", SOON).map(drop)
    })
}

#[test]
fn a_plane_of_another_tenant_cluster_is_refused_and_left_alone() -> Outcome {
    scenario("foreign-plane", |project| {
        let plane = Plane::of_somebody_else(project)?;
        let before = plane.object()?;
        let tenant = Tenant::create(project, "demo", &json!({"version": "1.37"}))?;
        let ready = tenant.await_condition("Ready", "False", SOON)?;
        ensure_says(&ready.message, &[&plane.name, "nagaya.dev/adopt=another-uid"])?;
        ensure(before == plane.object()?, || "the foreign plane was touched".to_owned())?;
        tenant.delete()?;
        tenant.await_gone(SOON)?;
        ensure(before == plane.object()?, || "deletion touched the foreign plane".to_owned())
    })
}

#[test]
fn a_service_of_somebody_else_in_a_control_plane_is_named_and_left_alone() -> Outcome {
    scenario("foreign-service", |project| {
        let management = &project.management;
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let plane = tenant.plane()?;
        let service = ["service", "-n", &plane, "etcd-client"];
        tenant.pause()?;
        management.run(&[&["delete"][..], &service].concat())?;
        management.apply(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "etcd-client", "namespace": plane},
            "spec": {"type": "ExternalName", "externalName": "somewhere.example.com"},
        }))?;
        let before = management.get(&service)?;
        tenant.patch(&json!({"spec": {"paused": false}}))?;
        let said = wait_until("the TenantCluster says what is in the way", SOON, || {
            let now = tenant.condition("Reconciling")?;
            let seen = format!("{now:?}");
            Ok(Look::some((now.reason == "ForeignObject").then_some(now), || seen))
        })?;
        ensure_says(&said.message, &["etcd-client", "is not Nagaya's", "rename or delete it"])?;
        let after = management.get(&service)?;
        ensure(before == after, || format!("it was touched: {after}"))?;
        management.run(&[&["delete"][..], &service].concat())?;
        tenant.await_ready()?;
        wait_until("ours is back", SOON, || {
            let now = management.get(&service)?;
            Ok(Look::done_if(text(&now, "/spec/type") == "ClusterIP", || now.to_string()))
        })
    })
}

/// A namespace labelled as the control plane of a `TenantCluster` with another UID.
struct Plane {
    name: String,
    management: Kubectl,
}

impl Plane {
    fn of_somebody_else(project: &Project) -> Outcome<Self> {
        let plane =
            Self { name: format!("{}-plane", project.name), management: Kubectl::management() };
        plane.management.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": plane.name, "labels": {
                "app.kubernetes.io/managed-by": "nagaya",
                "nagaya.dev/control-plane": "true",
                "nagaya.dev/tenant-name": "demo",
                "nagaya.dev/tenant-namespace": project.name,
                "nagaya.dev/tenant-uid": "another-uid",
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        }))?;
        Ok(plane)
    }

    fn object(&self) -> Outcome<Value> {
        let object = self.management.get(&["namespace", &self.name])?;
        let phase = text(&object, "/status/phase");
        ensure(phase == "Active", || format!("{} is {phase}", self.name))?;
        Ok(object)
    }
}

fn set_label(project: &Project, label: &str) -> Outcome {
    project.management.run(&["label", "namespace", &project.name, label]).map(drop)
}
