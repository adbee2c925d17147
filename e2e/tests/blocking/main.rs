//! When something blocks, the message says what, since when and what to do next, and it clears by itself when
//! that was done. A certificate that does not match is among the breaks of `ready_truth`.

mod hindrance;

use std::time::{Duration, Instant};

use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Condition, Look, Outcome, Project, Tenant, ensure, ensure_says, invariants, scenario,
    wait_until,
};
use hindrance::{CONTESTED, Hindrance, Kind};
use serde_json::{Value, json};

/// kubelet asks a registry that is not there for a while.
const SAID: Duration = Duration::from_secs(45);
/// The namespace controller's pauses, and 15 s in which a namespace may go.
const STUCK: Duration = Duration::from_secs(45);
/// The controllers of the management cluster try again with growing pauses.
const CLEARED: Duration = Duration::from_mins(1);
/// A pod that nobody hinders is ready by then.
const COMES: Duration = Duration::from_secs(15);
const GONE: Duration = Duration::from_secs(30);
/// Nobody is there (RFC 5737).
const NOWHERE: &str = "192.0.2.1";

#[test]
fn a_new_tenant_that_cannot_come_up_says_why_until_it_can() -> Outcome {
    scenario("unable", |project| {
        let classless = Tenant::create(project, "classless", &storage("ring-later"))?;
        let _nobody = Hindrance::place(project, &class("ring-nobody", "ring.example/nobody"))?;
        let volumeless = Tenant::create(project, "volumeless", &storage("ring-nobody"))?;
        let imageless = Tenant::create(project, "imageless", &json!({"version": "v1.37.99"}))?;
        names_a_taken_port(project)?;
        let named = ["data-etcd-0", "StorageClass ring-later", "create the class"];
        says(&classless, "EtcdReady", "NoStorageClass", &named)?;
        says(&classless, "Ready", "NoStorageClass", &named)?;
        let _later = Hindrance::place(project, &class("ring-later", "rancher.io/local-path"))?;
        let named = ["data-etcd-0", "since 20", "provisioner"];
        says(&volumeless, "EtcdReady", "VolumePending", &named)?;
        let named =
            ["kube-apiserver:v1.37.99", "kube-apiserver of pod", "choose another spec.version"];
        says(&imageless, "APIServerReady", "ImageUnavailable", &named)?;
        classless.await_condition("EtcdReady", "True", CLEARED)?;
        does_not_go(&volumeless)
    })
}

#[test]
fn an_endpoint_where_nobody_is_names_the_address() -> Outcome {
    scenario("nowhere", |project| {
        let spec = json!({"version": "1.37", "expose": {"nodePort": {"host": NOWHERE}}});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_condition("APIServerReady", "True", CLEARED * 2)?;
        let endpoint = tenant.await_condition("EndpointReachable", "False", SAID)?;
        ensure_says(&endpoint.reason, &["Endpoint"])?;
        ensure_says(&endpoint.message, &[NOWHERE, "spec.expose.nodePort.host"])?;
        let ready = tenant.await_condition("Ready", "False", SAID)?;
        ensure_says(&ready.message, &[NOWHERE])
    })
}

#[test]
fn a_running_tenant_says_who_hinders_its_pods_until_nobody_does() -> Outcome {
    scenario("hindered", |project| {
        let tenant = Tenant::create(project, "demo", &spec_for_namespaces("1.37"))?;
        tenant.await_ready()?;
        let plane = tenant.plane()?;
        for one in hindrance::of_pods(&plane) {
            let placed = Hindrance::place(project, &one.objects)?;
            loses_its_scheduler(&tenant, one.reason, one.says)?;
            drop(placed);
            if one.kind == Kind::Stays {
                until_unhindered(&tenant, one.reason)?;
            }
            tenant.await_condition("SchedulerReady", "True", CLEARED)?;
        }
        let policy = hindrance::policy_that_contests(&plane);
        is_contested(&tenant, &policy, "by MutatingAdmissionPolicy ring-contest")?;
        let webhook = hindrance::webhook_that_contests()?;
        let asked = hindrance::ask(&webhook, &plane);
        let named = "by webhook contest.ring.example of MutatingWebhookConfiguration ring-contest";
        is_contested(&tenant, &asked, named)?;
        tenant.await_ready()
    })
}

/// Waits until a condition has the reason and says all of `parts`.
fn says(tenant: &Tenant, kind: &str, reason: &str, parts: &[&str]) -> Outcome<Condition> {
    tenant.await_words(kind, reason, parts, SAID)
}

/// A policy takes a moment to work, so what came up in spite of it goes again.
fn loses_its_scheduler(tenant: &Tenant, reason: &str, parts: &[&str]) -> Outcome {
    let found = wait_until(&format!("the scheduler is blocked by {reason}"), CLEARED, || {
        let now = tenant.condition("SchedulerReady")?;
        if now.reason == "Ready" {
            replace_scheduler(tenant, &["--field-selector=status.phase=Running"])?;
        }
        let seen = format!("{now:?}");
        Ok(Look::some((now.reason == reason).then_some(now), || seen))
    })?;
    ensure_says(&found.message, parts)?;
    ensure_says(&found.message, &["(since 20"])
}

/// A policy works for a moment longer than it is there, so a pod may have to be replaced twice.
fn until_unhindered(tenant: &Tenant, reason: &str) -> Outcome {
    let mut replaced = None::<Instant>;
    wait_until("the scheduler is not hindered any more", CLEARED, || {
        let now = tenant.condition("SchedulerReady")?;
        let hindered = now.reason == reason;
        if hindered && replaced.is_none_or(|at| at.elapsed() > COMES) {
            replace_scheduler(tenant, &[])?;
            replaced = Some(Instant::now());
        }
        Ok(Look::done_if(now.status == "True", || format!("{now:?}")))
    })
}

fn replace_scheduler(tenant: &Tenant, which: &[&str]) -> Outcome {
    let plane = tenant.plane()?;
    let label = "app.kubernetes.io/name=kube-scheduler";
    let words = ["delete", "pods", "-n", &plane, "-l", label, "--grace-period=1"];
    tenant.project.management.run(&[&words[..], which].concat()).map(drop)
}

/// Admission changes a field of ours within each of our writes.
fn is_contested(tenant: &Tenant, by: &[Value], named: &str) -> Outcome {
    let (management, plane) = (&tenant.project.management, &tenant.plane()?);
    let placed = Hindrance::place(tenant.project, by)?;
    let set = ["annotate", "statefulset", "-n", plane, "kube-scheduler", "--overwrite"];
    let mut touches = 0;
    let said = wait_until("the contested field is named", CLEARED, || {
        touches += 1;
        management.run(&[&set[..], &[&format!("ring/touch={touches}")]].concat())?;
        // Absent while nothing is in the way.
        let now = tenant.condition("Reconciling")?;
        let seen = format!("{now:?}");
        Ok(Look::some((now.reason == "FieldContested").then_some(now), || seen))
    })?;
    let (field, ours) = CONTESTED;
    ensure_says(&said.message, &["kube-scheduler", &format!("spec.{field}"), named])?;
    drop(placed);
    wait_until("the field is Nagaya's again", CLEARED, || {
        let object = tenant.object()?.unwrap_or_default();
        let conditions = object["status"]["conditions"].to_string();
        Ok(Look::done_if(!conditions.contains("FieldContested"), || conditions))
    })?;
    let live = management.get(&["statefulset", "-n", plane, "kube-scheduler"])?;
    ensure(live["spec"][field] == ours, || format!("{field} is {}", live["spec"][field]))
}

/// Something of somebody else's with a finalizer keeps the control-plane namespace.
fn does_not_go(tenant: &Tenant) -> Outcome {
    let (management, plane) = (&tenant.project.management, tenant.plane()?);
    management.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": plane, "finalizers": ["ring.example/hold"]},
    }))?;
    tenant.delete()?;
    let stuck = wait_until("the deletion says what holds it", STUCK, || {
        let now = tenant.condition("Reconciling")?;
        let seen = format!("{now:?}");
        Ok(Look::some((now.reason == "NamespaceStuck").then_some(now), || seen))
    });
    let free = r#"{"metadata": {"finalizers": null}}"#;
    let words = ["patch", "configmap", "-n", &plane, "held", "--type=merge", "-p", free];
    // Also when nothing was said: it would hold up every later test.
    management.run(&words)?;
    let named = [plane.as_str(), "ring.example/hold", "configmaps", "take the finalizer off"];
    ensure_says(&stuck?.message, &named)?;
    tenant.await_gone(GONE)?;
    wait_until("its namespace is gone", GONE, || {
        let left = invariants::planes(tenant.project)?;
        Ok(Look::done_if(!left.contains(&plane), || plane.clone()))
    })
}

/// Somebody's Service has the port that a tenant asks for, until it has not.
fn names_a_taken_port(project: &Project) -> Outcome {
    let service = project.management.create(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "holder", "namespace": project.name},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }))?;
    let port = &service["spec"]["ports"][0]["nodePort"];
    let spec = json!({"version": "1.37", "expose": {"nodePort": {"port": port}}});
    let portless = Tenant::create(project, "portless", &spec)?;
    let named = ["spec.expose.nodePort.port", &port.to_string(), "(since ", "choose another"];
    says(&portless, "Ready", "PortTaken", &named)?;
    project.management.run(&["delete", "service", "-n", &project.name, "holder"])?;
    wait_until("the port is to be had", CLEARED, || {
        let ready = portless.condition("Ready")?;
        Ok(Look::done_if(ready.reason != "PortTaken", || format!("{ready:?}")))
    })?;
    portless.delete()
}

fn storage(class: &str) -> Value {
    json!({"version": "1.37", "etcd": {"storage": {"className": class}}})
}

fn class(name: &str, provisioner: &str) -> Vec<Value> {
    let is_local = provisioner.starts_with("rancher.io/");
    vec![json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": if is_local { "WaitForFirstConsumer" } else { "Immediate" },
    })]
}
