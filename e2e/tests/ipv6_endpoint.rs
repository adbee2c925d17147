//! A tenant whose endpoint is an address of IPv6, of a load balancer outside or of a management node: the manager looks
//! there, and a machine joins by it.

use std::net::Ipv6Addr;
use std::time::Duration;

use e2e::network::{self, MANAGEMENT};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{HaProxy, JoinAttempt, Machine, Outcome, Tenant, ensure, ensure_says, scenario};
use serde_json::json;

const MINOR: &str = "1.37";
const BALANCER: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 1);
const MACHINE: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 2);
/// By it the manager's pod gets there, and kubectl.
const MANAGERS_NODE: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 3);
/// A node port that no other test has.
const PORT: u16 = 32_766;
const ENDPOINT: &str = "[fd42:30::1]:6443";
const BIRTH: Duration = Duration::from_mins(3);
const SOON: Duration = Duration::from_mins(1);
const NODE_READY: Duration = Duration::from_mins(1);
/// Six renewals of a Lease.
const RENEWED: Duration = Duration::from_mins(1);

#[test]
fn a_machine_joins_by_a_balancers_address_of_ipv6() -> Outcome {
    scenario("ipv6", |project| {
        let mut spec = spec_for_namespaces(MINOR);
        spec["expose"] = json!({"type": "External", "external": {"host": BALANCER.to_string()}});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_condition("APIServerReady", "True", BIRTH)?;
        network::give_host(MANAGEMENT, MANAGERS_NODE)?;
        tenant.await_words("EndpointReachable", "EndpointUnreachable", &[ENDPOINT], SOON)?;
        let _balancer = HaProxy::start_on(BALANCER, &tenant.status("/nodePort")?.to_string())?;
        tenant.await_ready()?;
        joins(&tenant, ENDPOINT)
    })
}

#[test]
fn a_machine_joins_by_a_nodes_address_of_ipv6() -> Outcome {
    scenario("ipv6-node", |project| {
        network::give_host(MANAGEMENT, MANAGERS_NODE)?;
        let mut spec = spec_for_namespaces(MINOR);
        let node_port = json!({"host": MANAGERS_NODE.to_string(), "port": PORT});
        spec["expose"] = json!({"type": "NodePort", "nodePort": node_port});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        joins(&tenant, &format!("[{MANAGERS_NODE}]:{PORT}"))
    })
}

fn joins(tenant: &Tenant, endpoint: &str) -> Outcome {
    let said = tenant.status("/endpoint")?;
    ensure(said == endpoint, || format!("the endpoint is {said}, not {endpoint}"))?;
    let secret = tenant.token("nodes", "1h")?.secret()?;
    ensure_says(&secret.command, &[&format!("kubeadm join {endpoint} ")])?;
    let machine = Machine::add("ring-ipv6", MINOR)?;
    network::give_host(machine.name(), MACHINE)?;
    machine.install_doctor()?;
    machine.diagnose(&JoinAttempt::from(&secret), &[])?.is_well()?;
    machine.join(&secret)?;
    machine.uses(endpoint)?;
    let cluster = tenant.admin()?;
    machine.await_ready(&cluster, NODE_READY)?;
    machine.renews(&cluster, RENEWED)
}
