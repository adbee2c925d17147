//! `deletionPolicy: Retain`: the control plane goes, keys and data stay, and the same name brings it back.

use std::time::Duration;

use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Kubectl, Look, Machine, Outcome, Tenant, ensure, invariants, scenario, wait_until,
};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
const GONE: Duration = Duration::from_secs(10);
/// kubelet tries again every 10 s, and its node is Ready with the next status after that.
const NODE_RETURNS: Duration = Duration::from_mins(2);

#[test]
fn a_retained_tenant_comes_back_with_its_keys_its_data_and_its_node() -> Outcome {
    scenario("retain", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["deletionPolicy"] = json!("Retain");
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let before = tenant.token("before", "1h")?.secret()?;
        let machine = Machine::add("ring-retain", "1.37")?;
        machine.join(&before)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        cluster.run(&["create", "configmap", "kept", "--from-literal=word=nagaya"])?;
        let plane = tenant.plane()?;

        tenant.delete()?;
        tenant.await_gone(GONE)?;
        only_keys_and_data_stay(&tenant, &plane)?;

        tenant.apply(&spec)?;
        tenant.await_ready()?;
        ensure(tenant.plane()? == plane, || "another plane was made".to_owned())?;
        let after = tenant.token("after", "1h")?.secret()?;
        ensure(before.endpoint == after.endpoint, || format!("endpoint {}", after.endpoint))?;
        ensure(before.ca_cert_hash == after.ca_cert_hash, || "another CA was made".to_owned())?;
        let cluster = tenant.admin()?;
        let kept = cluster.get(&["configmap", "kept"])?;
        ensure(kept["data"]["word"] == "nagaya", || format!("the data is gone: {kept}"))?;
        node_returns(&tenant, &cluster, &machine)
    })
}

fn only_keys_and_data_stay(tenant: &Tenant, plane: &str) -> Outcome {
    let management = &tenant.project.management;
    ensure(invariants::planes(tenant.project)? == [plane], || "the plane is gone".to_owned())?;
    let running = management.list(&["pods,services,deployments,statefulsets", "-n", plane])?;
    ensure(running.is_empty(), || format!("something stays: {running:?}"))?;
    let claims = management.list(&["persistentvolumeclaims", "-n", plane])?;
    ensure(claims.len() == 1, || format!("{} claims stay", claims.len()))?;
    management.get(&["secret", "-n", plane, "cluster-ca-1"]).map(drop)
}

/// By itself: its lease is renewed through the new API server, with the old kubeconfig.
fn node_returns(tenant: &Tenant, cluster: &Kubectl, machine: &Machine) -> Outcome {
    let born =
        text(&tenant.object()?.unwrap_or_default(), "/metadata/creationTimestamp").to_owned();
    wait_until("the node has returned by itself", NODE_RETURNS, || {
        let lease = cluster.get(&["lease", "-n", "kube-node-lease", machine.name()])?;
        let renewed = text(&lease, "/spec/renewTime").to_owned();
        // RFC 3339 in UTC orders as text.
        Ok(Look::done_if(renewed > born, || format!("last seen {renewed}, reborn {born}")))
    })?;
    machine.await_ready(cluster, NODE_RETURNS)?;
    wait_until("the TenantCluster counts it", NODE_READY, || {
        let nodes: Value = tenant.status("/nodes")?;
        Ok(Look::done_if(nodes == 1, || nodes.to_string()))
    })
}
