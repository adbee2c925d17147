//! The whole way on a real machine: a Debian VM that nothing but the `JoinToken`'s user-data configures. The demo does it
//! with the newest minor.

use std::time::Duration;

use e2e::ring::{Kubectl, Look, Machine, Outcome, Project, Tenant, scenario, wait_until, workload};
use serde_json::json;

/// An emulated CPU is slow.
const NODE_READY: Duration = Duration::from_mins(3);

#[test]
fn a_virtual_machine_of_1_35_joins_by_user_data_alone_and_survives_a_reboot() -> Outcome {
    scenario("machine", |project| {
        let (tenant, machine) = with_a_machine(project, "1.35")?;
        let cluster = tenant.admin()?;
        let boot = boot_id(&cluster, &machine)?;
        machine.reboot()?;
        wait_until("the node has booted again", NODE_READY, || {
            let now = boot_id(&cluster, &machine)?;
            Ok(Look::done_if(now != boot, || format!("its boot ID is still {now}")))
        })?;
        machine.await_ready(&cluster, NODE_READY)?;
        workload::served_at_node_port(&cluster, &machine)
    })
}

#[test]
fn a_virtual_machine_of_1_36_joins_by_user_data_alone() -> Outcome {
    scenario("machine-1-36", |project| with_a_machine(project, "1.36").map(drop))
}

fn with_a_machine<'p>(project: &'p Project, minor: &str) -> Outcome<(Tenant<'p>, Machine)> {
    let tenant = Tenant::create(project, "demo", &json!({"version": minor}))?;
    tenant.await_ready()?;
    let user_data = tenant.token("machines", "1h")?.secret()?.cloud_init;
    let machine = Machine::boot_virtual(&project.name, minor, &user_data)?;
    let cluster = tenant.admin()?;
    machine.await_ready(&cluster, NODE_READY)?;
    tenant.await_nodes(1)?;
    workload::deploy(&cluster)?;
    workload::check(&cluster, &machine)?;
    Ok((tenant, machine))
}

/// What kubelet says about the kernel's boot: before that changes, `Ready` may be an old word.
fn boot_id(cluster: &Kubectl, machine: &Machine) -> Outcome<String> {
    let node = cluster.get(&["node", machine.name()])?;
    Ok(node["status"]["nodeInfo"]["bootID"].to_string())
}
