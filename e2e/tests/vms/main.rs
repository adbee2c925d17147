//! Two virtual machines that nobody can reach, configured by nothing but the user-data of a `JoinToken`: they join through the
//! gateway, and come back from what becomes of machines. The join doctor is asked on them at each step.

mod node;
mod spoilt;
mod used;

use std::time::Duration;

use e2e::firewall;
use e2e::install::build_forwarder_image;
use e2e::progress::say;
use e2e::ring::tunnel::await_agents;
use e2e::ring::{Gateway, JoinAttempt, Machine, Outcome, Tenant, scenario, workload};
use serde_json::json;

use node::Node;

const MINOR: &str = "1.37";
/// An emulated CPU is slow, and two of them share what there is.
const NODE_READY: Duration = Duration::from_mins(3);

#[test]
fn two_machines_that_nobody_can_reach_join_by_user_data_alone_and_come_back() -> Outcome {
    scenario("vms", |project| {
        let _gateway = Gateway::install()?;
        let spec = json!({
            "version": MINOR, "expose": {"type": "Gateway"},
            // Five minutes otherwise, before a disk that has room again counts as one.
            "kubelet": {"evictionPressureTransitionPeriod": "10s"},
        });
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let secret = tenant.token("machines", "6h")?.secret()?;
        let cluster = tenant.through_the_gateway()?;
        let join = |name: &str| -> Outcome<Node<'_, '_>> {
            let machine = Machine::boot_outbound_only(name, MINOR, &secret.cloud_init)?;
            // They can pull nothing. Whatever else a node runs is on their disk from the first.
            machine.load(&build_forwarder_image()?)?;
            machine.install_doctor()?;
            machine.await_ready(&cluster, NODE_READY)?;
            let attempt = JoinAttempt::from(&secret);
            Ok(Node { machine, attempt, tenant: &tenant, cluster: &cluster })
        };
        let mut nodes = [join("ring-vms-1")?, join("ring-vms-2")?];
        say(&firewall::rules(nodes[0].machine.record().address)?);
        tenant.await_nodes(2)?;
        await_agents(&cluster, 2)?;
        workload::await_core_dns(&cluster)?;
        let [one, two] = &nodes;
        [one, two].into_iter().try_for_each(|node| used::deploy(&cluster, &node.machine))?;
        [one, two].into_iter().try_for_each(Node::is_well)?;
        let secluded = [(one, two), (two, one)];
        secluded.into_iter().try_for_each(|(node, other)| used::is_secluded(node, other))?;
        spoilt::rebooted(one)?;
        spoilt::moved(&mut nodes[1])?;
        spoilt::with_a_wrong_clock(&nodes[0])?;
        spoilt::with_a_full_disk(&nodes[1])?;
        let [one, two] = &nodes;
        [(one, two), (two, one)]
            .into_iter()
            .try_for_each(|(node, other)| used::is_secluded(node, other))
    })
}
