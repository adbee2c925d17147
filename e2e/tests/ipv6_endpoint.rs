//! A tenant whose endpoint is an address of IPv6, at a load balancer outside: the manager looks there, and a machine joins by it.

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
const ENDPOINT: &str = "[fd42:30::1]:6443";
const BIRTH: Duration = Duration::from_mins(3);
const SOON: Duration = Duration::from_mins(1);
const NODE_READY: Duration = Duration::from_mins(1);
/// Six renewals of a Lease.
const RENEWED: Duration = Duration::from_mins(1);

#[test]
fn a_machine_joins_by_an_address_of_ipv6() -> Outcome {
    scenario("ipv6", |project| {
        let mut spec = spec_for_namespaces(MINOR);
        spec["expose"] = json!({"type": "External", "external": {"host": BALANCER.to_string()}});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_condition("APIServerReady", "True", BIRTH)?;
        network::give_host(MANAGEMENT, MANAGERS_NODE)?;
        tenant.await_words("EndpointReachable", "EndpointUnreachable", &[ENDPOINT], SOON)?;
        let _balancer = HaProxy::start_on(BALANCER, &tenant.status("/nodePort")?.to_string())?;
        let said = tenant.status("/endpoint")?;
        ensure(said == ENDPOINT, || format!("the endpoint is {said}, not {ENDPOINT}"))?;
        tenant.await_ready()?;

        let secret = tenant.token("nodes", "1h")?.secret()?;
        ensure_says(&secret.command, &[&format!("kubeadm join {ENDPOINT} ")])?;
        let machine = Machine::add("ring-ipv6", MINOR)?;
        network::give_host(machine.name(), MACHINE)?;
        machine.install_doctor()?;
        machine.diagnose(&JoinAttempt::from(&secret), &[])?.is_well()?;
        machine.join(&secret)?;
        machine.uses(ENDPOINT)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        machine.renews(&cluster, RENEWED)
    })
}
