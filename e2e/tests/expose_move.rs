//! A cluster with a machine and a workload moves from its node port to the gateway: both ways work until the operator ends
//! the old one, and the machine takes the new one by the command that the status gives.

use std::time::Duration;

use e2e::install::GATEWAY_PORT;
use e2e::ring::kubectl::{each, name, text};
use e2e::ring::moves::{await_named, await_refusal, is_said, run_command};
use e2e::ring::{
    Gateway, Kubectl, Look, Machine, Outcome, Tenant, ensure, scenario, wait_until, workload,
};
use serde_json::{Value, json};

const MINOR: &str = "1.37";
const NODE_READY: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_mins(1);
/// Six renewals of a Lease, and longer than kube-controller-manager waits for one.
const RENEWED: Duration = Duration::from_mins(1);

#[test]
fn a_cluster_moves_to_the_gateway_and_its_node_port_ends_when_it_is_named() -> Outcome {
    scenario("expose-move", |project| {
        let _gateway = Gateway::install()?;
        let tenant = Tenant::ready(project, "demo", MINOR)?;
        let host = tenant.host();
        let old = tenant.status("/endpoint")?.as_str().unwrap_or_default().to_owned();
        let old_machine = machine("ring-move-old", &host)?;
        let token = tenant.token("nodes", "1h")?;
        old_machine.join(&token.secret()?)?;
        let by_port = tenant.admin()?;
        old_machine.await_ready(&by_port, NODE_READY)?;
        workload::deploy(&by_port)?;
        let (since, pods) = (old_machine.ready_since(&by_port)?, pods(&by_port)?);

        tenant.patch(&json!({"spec": {"expose": {"type": "Gateway"}}}))?;
        tenant.await_ready()?;
        let new = format!("{host}:{GATEWAY_PORT}");
        is_said(&tenant, "/endpoint", &json!(new))?;
        is_said(&tenant, "/formerEndpoint/endpoint", &json!(old))?;
        await_named(&tenant, &json!([old_machine.name()]))?;
        old_machine.stayed_ready(&by_port, &since)?;

        let secret = wait_until("the join command names the new endpoint", SOON, || {
            let secret = token.secret()?;
            let names_it = secret.command.starts_with(&format!("kubeadm join {new} "));
            Ok(Look::some(names_it.then(|| secret.clone()), || secret.command))
        })?;
        let new_machine = machine("ring-move-new", &host)?;
        new_machine.join(&secret)?;
        new_machine.await_ready(&by_port, NODE_READY)?;
        new_machine.uses(&new)?;
        old_machine.uses(&old)?;

        // The new one has joined so soon that nobody can know by what; it says so by the same command.
        let (old_name, new_name) = (old_machine.name(), new_machine.name());
        await_named(&tenant, &json!([new_name, old_name]))?;
        run_command(&tenant, &old_machine, &new)?;
        await_named(&tenant, &json!([new_name]))?;
        run_command(&tenant, &new_machine, &new)?;
        await_named(&tenant, &Value::Null)?;
        tenant.await_condition("NodesMoved", "True", SOON)?;
        old_machine.uses(&new)?;

        tenant.patch(&json!({"spec": {"expose": {"retiredEndpoint": old}}}))?;
        await_refusal(&old_machine, &old)?;
        let cluster = tenant.through_the_gateway()?;
        for machine in [&old_machine, &new_machine] {
            machine.renews(&cluster, RENEWED)?;
            machine.await_ready(&cluster, NODE_READY)?;
        }
        old_machine.stayed_ready(&cluster, &since)?;
        tenant.await_ready()?;
        is_said(&tenant, "/formerEndpoint", &Value::Null)?;
        let left = self::pods(&cluster)?;
        ensure(left == pods, || format!("the pods were {pods:?} and are {left:?}"))
    })
}

/// One that finds the gateway by the name of the cluster.
fn machine(name: &str, host: &str) -> Outcome<Machine> {
    let machine = Machine::add(name, MINOR)?;
    machine.knows_the_gateway_as(host)?;
    Ok(machine)
}

/// The pods of the workload, with how often their containers were restarted.
fn pods(cluster: &Kubectl) -> Outcome<Vec<String>> {
    let pods = cluster.list(&["pods", "-n", "default"])?;
    let told = pods.iter().map(|pod| {
        let restarts: u64 = each(pod, "/status/containerStatuses")
            .filter_map(|one| one["restartCount"].as_u64())
            .sum();
        format!("{} {} restarted {restarts} times", name(pod), text(pod, "/metadata/uid"))
    });
    Ok(told.collect())
}
