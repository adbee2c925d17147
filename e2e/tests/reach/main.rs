//! A machine behind a firewall and a NAT, whatever the line is like and whatever is pulled: it joins, all that goes through the
//! tunnel works, and comes back by itself.

mod pulled;
mod replicas;
mod used;

use std::path::PathBuf;
use std::time::Duration;

use e2e::images::metrics_server_image;
use e2e::install::{GATEWAY_PORT, build_forwarder_image};
use e2e::progress::say;
use e2e::ring::tunnel::{await_agents, serve_a_page, spec_behind_the_gateway};
use e2e::ring::{
    Gateway, Kubectl, Machine, Nat, Outcome, Project, Tenant, ensure, scenario, tenant_webhook,
};

/// There and back it is twice that.
const SLOW: u32 = 300;
const LOSSY: u8 = 5;
const NODE_READY: Duration = Duration::from_mins(2);
const MINOR: &str = "1.37";

#[test]
fn everything_works_over_a_long_and_bad_line() -> Outcome {
    scenario("reach-line", |project| {
        let images = vec![build_forwarder_image()?, metrics_server_image()?];
        let _gateway = Gateway::install()?;
        let tenant = born(project)?;
        let cluster = tenant.through_the_gateway()?;
        let machine = secluded("ring-reach-line", &tenant, &images)?;
        let nat = Nat::before(&machine)?;
        let line = nat.slow_down(SLOW, LOSSY)?;
        is_slow(&machine, &tenant, true)?;
        joins(&machine, &tenant, &cluster)?;
        tenant_webhook::deploy(&cluster)?;
        used::in_every_way(&cluster)?;
        used::by_aggregated_apis(&cluster, &machine)?;
        is_slow(&machine, &tenant, true)?;
        drop(line);
        is_slow(&machine, &tenant, false)?;
        used::in_every_way(&cluster)?;
        machine.is_shut_off()
    })
}

#[test]
fn whatever_is_pulled_comes_back() -> Outcome {
    scenario("reach-pulled", |project| {
        let images = vec![build_forwarder_image()?];
        let _gateway = Gateway::install()?;
        let tenant = born(project)?;
        let cluster = tenant.through_the_gateway()?;
        let machine = secluded("ring-reach", &tenant, &images)?;
        let nat = Nat::before(&machine)?;
        joins(&machine, &tenant, &cluster)?;
        tenant_webhook::deploy(&cluster)?;
        pulled::one_by_one(&tenant, &cluster, &machine, &nat)?;
        machine.is_shut_off()?;
        let other = secluded("ring-reach-2", &tenant, &images)?;
        replicas::each_reaches_all(&tenant, &cluster, &other)
    })
}

fn born(project: &Project) -> Outcome<Tenant<'_>> {
    let tenant = Tenant::create(project, "demo", &spec_behind_the_gateway(MINOR))?;
    tenant.await_ready()?;
    Ok(tenant)
}

/// A machine that nobody can reach, with what it is to run: it could pull nothing.
fn secluded(name: &str, tenant: &Tenant<'_>, images: &[PathBuf]) -> Outcome<Machine> {
    let machine = Machine::add(name, MINOR)?;
    images.iter().try_for_each(|image| machine.load(image))?;
    machine.knows_the_gateway_as(&tenant.host())?;
    machine.shut_off()?;
    Ok(machine)
}

fn joins(machine: &Machine, tenant: &Tenant<'_>, cluster: &Kubectl) -> Outcome {
    machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
    machine.await_ready(cluster, NODE_READY)?;
    serve_a_page(cluster, "web", machine)?;
    await_agents(cluster, 1)
}

/// What it takes to connect to the gateway: SYN and its answer, were none lost.
fn is_slow(machine: &Machine, tenant: &Tenant<'_>, wanted: bool) -> Outcome {
    let url = format!("https://{}:{GATEWAY_PORT}/livez", tenant.host());
    let words = ["curl", "-sSk", "-m", "30", "-o", "/dev/null", "-w", "%{time_connect}", &url];
    let took: f64 = machine.run(&words)?.trim().parse()?;
    say(&format!("a connection to the gateway takes {took:.3} s"));
    let slow = took >= 2.0 * f64::from(SLOW) / 1000.0;
    ensure(slow == wanted, || format!("the line is slow: {slow}"))
}
