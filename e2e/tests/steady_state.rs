//! Nothing happens when nothing changes: no write and no restart, also across a restart of the manager and a
//! second apply of the same manifests.

use std::time::Duration;

use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Outcome, Tenant, ensure, manager, scenario, stays};
use serde_json::Value;

const IDLE: Duration = Duration::from_secs(30);
const SETTLED: Duration = Duration::from_secs(10);

#[test]
fn an_unchanged_tenant_is_not_written_to_and_a_new_manager_restarts_nothing() -> Outcome {
    scenario("steady", |project| {
        let tenants = ["one", "two"].map(|name| Tenant::ready(project, name, "1.37"));
        let tenants = tenants.into_iter().collect::<Result<Vec<_>, _>>()?;
        let before = everything(&tenants)?;
        manager::restart()?;
        for tenant in &tenants {
            tenant.apply(&spec_for_namespaces("1.37"))?;
        }
        stays("every tenant stays Ready while the manager is new", SETTLED, || {
            tenants.iter().try_for_each(|tenant| {
                let ready = tenant.condition("Ready")?;
                ensure(ready.status == "True", || format!("{}: {ready:?}", tenant.name))
            })
        })?;
        manager::writes_nothing(IDLE)?;
        let after = everything(&tenants)?;
        ensure(before == after, || differences(&before, &after))
    })
}

/// Everything that a tenant consists of, with what changes when it is written or replaced.
fn everything(tenants: &[Tenant]) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    for tenant in tenants {
        let kinds = "pods,secrets,configmaps,services,statefulsets,deployments,rolebindings,pvc";
        let objects = tenant.project.management.list(&[kinds, "-n", &tenant.plane()?])?;
        all.extend(objects.iter().map(version));
    }
    Ok(all)
}

/// A pod's resourceVersion moves with its status, which is kubelet's; its UID is what tells a restart.
fn version(object: &Value) -> String {
    let kind = text(object, "/kind");
    let mark = match kind {
        "Pod" => "/metadata/uid",
        _ => "/metadata/resourceVersion",
    };
    let namespace = text(object, "/metadata/namespace");
    format!("{kind} {namespace}/{} {}", name(object), text(object, mark))
}

fn differences(before: &[String], after: &[String]) -> String {
    let gone = before.iter().filter(|one| !after.contains(one)).map(|one| format!("- {one}"));
    let new = after.iter().filter(|one| !before.contains(one)).map(|one| format!("+ {one}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}
