//! The whole way of a tenant whose nodes are namespaces hosts: from nothing to a served page, and back.

use std::time::Duration;

use e2e::ring::kubectl::text;
use e2e::ring::{
    Look, Machine, Outcome, Project, Tenant, ensure, invariants, scenario, wait_until, workload,
};

const NODE_READY: Duration = Duration::from_mins(1);
/// A deleted tenant is gone within this.
const GONE: Duration = Duration::from_secs(10);
/// local-path-provisioner cleans volumes with a pod of its own, one after the other.
const VOLUMES_GONE: Duration = Duration::from_mins(2);

#[test]
fn a_tenant_of_the_newest_minor_goes_from_nothing_to_a_served_page_and_back() -> Outcome {
    scenario("lifecycle", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let token = tenant.token("nodes", "1h")?;
        let machine = Machine::add("ring-node1", "1.37")?;
        machine.join(&token.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        workload::deploy(&cluster)?;
        workload::check(&cluster, &machine)?;
        shows_one_node(&tenant)?;
        invariants::check(project)?;
        let plane = tenant.plane()?;
        tenant.delete()?;
        leaves_nothing(&tenant, &plane)
    })
}

fn shows_one_node(tenant: &Tenant) -> Outcome {
    tenant.await_nodes(1)?;
    let words = ["get", "tnc", "-n", &tenant.project.name, &tenant.name, "--no-headers"];
    let row = tenant.project.management.run(&words)?;
    let columns: Vec<&str> = row.split_whitespace().collect();
    let wanted = ["demo", "v1.37.1", "True", "Joinable", "1"];
    ensure(columns.starts_with(&wanted), || format!("kubectl get tnc shows {row:?}"))
}

fn leaves_nothing(tenant: &Tenant, plane: &str) -> Outcome {
    let project = tenant.project;
    wait_until("nothing of the tenant is left", GONE, || {
        let (object, namespaces) = (tenant.object()?, invariants::planes(project)?);
        let secrets = handed_out(project)?;
        let left = format!("object {}, {namespaces:?}, {secrets:?}", object.is_some());
        let gone = object.is_none() && namespaces.is_empty() && secrets.is_empty();
        Ok(Look::done_if(gone, || left))
    })?;
    wait_until("its volumes are gone", VOLUMES_GONE, || {
        let volumes = project.management.list(&["persistentvolumes"])?;
        let left = volumes.iter().any(|one| text(one, "/spec/claimRef/namespace") == plane);
        Ok(Look::done_if(!left, || "a PersistentVolume is left".to_owned()))
    })
}

/// Secrets of the project that belong to the tenant or its tokens.
fn handed_out(project: &Project) -> Outcome<Vec<String>> {
    let secrets = project.list(&["secrets", "-l", "app.kubernetes.io/managed-by=nagaya"])?;
    Ok(secrets.iter().map(|one| text(one, "/metadata/name").to_owned()).collect())
}
