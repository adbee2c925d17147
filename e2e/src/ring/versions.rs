//! Whether a control plane was written to: what each of its objects shows of that.

use serde_json::Value;

use super::kubectl::{name, text};
use super::{Outcome, Tenant};

/// Everything that the tenants' control planes consist of, with what changes when it is written or replaced.
///
/// # Errors
/// It cannot be listed.
pub fn versions<'p>(tenants: impl IntoIterator<Item = &'p Tenant<'p>>) -> Outcome<Vec<String>> {
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

/// What is in one of them only, a line each.
#[must_use]
pub fn differences(before: &[String], after: &[String]) -> String {
    let gone = before.iter().filter(|one| !after.contains(one)).map(|one| format!("- {one}"));
    let new = after.iter().filter(|one| !before.contains(one)).map(|one| format!("+ {one}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}
