//! The whole way on a real machine: a Debian VM that nothing but the `JoinToken`'s user-data configures.

use std::time::Duration;

use e2e::ring::{Kubectl, Look, Machine, Outcome, Tenant, scenario, wait_until, workload};
use serde_json::json;

/// An emulated CPU is slow.
const NODE_READY: Duration = Duration::from_mins(3);

#[test]
fn a_virtual_machine_of_1_35_joins_by_user_data_alone_and_survives_a_reboot() -> Outcome {
    scenario("machine", |project| {
        let tenant = Tenant::create(project, "demo", &json!({"version": "1.35"}))?;
        tenant.await_ready()?;
        let token = tenant.token("machines", "1h")?;
        let user_data = token.secret()?.cloud_init;
        let machine = Machine::boot_virtual("ring-vm1", "1.35", &user_data)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        tenant.await_nodes(1)?;
        workload::deploy(&cluster)?;
        workload::check(&cluster, &machine)?;
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

/// What kubelet says about the kernel's boot: before that changes, `Ready` may be an old word.
fn boot_id(cluster: &Kubectl, machine: &Machine) -> Outcome<String> {
    let node = cluster.get(&["node", machine.name()])?;
    Ok(node["status"]["nodeInfo"]["bootID"].to_string())
}
