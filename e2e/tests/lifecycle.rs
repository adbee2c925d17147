//! The whole way of a tenant whose nodes are namespaces hosts, in the newest minor and in the oldest: from nothing to a
//! served page, and back.

use std::time::Duration;

use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Failure, Look, Machine, Outcome, Project, Tenant, ensure, ensure_says, invariants, scenario,
    wait_until, workload,
};

const NODE_READY: Duration = Duration::from_mins(1);
/// A deleted tenant is gone within this.
const GONE: Duration = Duration::from_secs(10);
/// local-path-provisioner cleans volumes with a pod of its own, one after the other.
const VOLUMES_GONE: Duration = Duration::from_mins(2);

#[test]
fn a_tenant_of_the_newest_minor_goes_from_nothing_to_a_served_page_and_back() -> Outcome {
    from_nothing_to_a_page_and_back("lifecycle", "1.37", "v1.37.1")
}

#[test]
fn a_tenant_of_the_oldest_minor_goes_from_nothing_to_a_served_page_and_back() -> Outcome {
    from_nothing_to_a_page_and_back("lifecycle-oldest", "1.35", "v1.35.4")
}

fn from_nothing_to_a_page_and_back(name: &str, minor: &str, version: &str) -> Outcome {
    scenario(name, |project| {
        let tenant = Tenant::create(project, "demo", &spec_for_namespaces(minor))?;
        let not_yet = tenant.explained()?.err().unwrap_or_default();
        ensure_says(&not_yet, &[&format!("{}/demo is not Ready", project.name)])?;
        let object = ["tnc/demo", "-n", &project.name];
        let wait = ["wait", "--for=condition=Ready", "--timeout=180s", "--request-timeout=0"];
        project.management.run(&[&wait[..], &object].concat())?;
        let explained = tenant.explained()?.map_err(Failure::new)?;
        ensure_says(&explained, &[version, "APIServerReady", "Joinable"])?;
        let token = tenant.token("nodes", "1h")?;
        let machine = Machine::add(&format!("ring-{name}"), minor)?;
        machine.join(&token.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        workload::deploy(&cluster)?;
        workload::check(&cluster, &machine)?;
        shows_one_node(&tenant, version)?;
        invariants::check(project)?;
        let plane = tenant.plane()?;
        tenant.delete()?;
        leaves_nothing(&tenant, &plane)
    })
}

fn shows_one_node(tenant: &Tenant, version: &str) -> Outcome {
    tenant.await_nodes(1)?;
    let words = ["get", "tnc", "-n", &tenant.project.name, &tenant.name, "--no-headers"];
    let row = tenant.project.management.run(&words)?;
    let columns: Vec<&str> = row.split_whitespace().collect();
    let wanted = ["demo", version, "True", "Joinable", "1"];
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
