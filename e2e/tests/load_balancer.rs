//! Tenants behind a load balancer of the management cluster (MetalLB): what is said until it gives an address, a machine that
//! joins through that and no other way, and an address that stays whatever becomes of its Service.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use e2e::network::{self, MANAGEMENT, SPARE_ADDRESSES};
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    JoinSecret, Look, Machine, MetalLb, Outcome, Tenant, ensure, ensure_says, scenario, wait_until,
    workload,
};
use serde_json::{Value, json};

const MINOR: &str = "1.37";
const SOON: Duration = Duration::from_mins(1);
const NODE_READY: Duration = Duration::from_mins(1);
/// Six renewals of a Lease.
const RENEWED: Duration = Duration::from_mins(1);
const SERVICE: &str = "kube-apiserver-public";
/// The first is what MetalLB would give by itself. So whoever has the second has asked for it.
const OURS: Ipv4Addr = SPARE_ADDRESSES[1];
const OURS_6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 5);
/// By these the management node and the machine find each other.
const NODE_6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 6);
const MACHINE_6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x30, 0, 0, 0, 0, 0, 7);

#[test]
fn a_load_balancer_gives_an_address_that_stays_and_is_nobody_elses() -> Outcome {
    scenario("load-balancer", |project| {
        let mut spec = spec_for_namespaces(MINOR);
        spec["expose"]["type"] = json!("LoadBalancer");
        let balancer = MetalLb::install()?;
        let tenant = Tenant::create(project, "demo", &spec)?;
        it_waits_for_an_address(&tenant)?;
        balancer.gives(&[OURS])?;
        tenant.await_ready()?;
        let endpoint = format!("{OURS}:6443");
        let secret = tenant.token("nodes", "1h")?.secret()?;
        everybody_is_told(&tenant, &secret, &endpoint)?;
        let machine = Machine::add("ring-load-balancer", MINOR)?;
        machine.join(&secret)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        machine.uses(&endpoint)?;
        workload::await_core_dns(&cluster)?;

        balancer.gives(&SPARE_ADDRESSES[..2])?;
        delete_service(&tenant)?;
        await_given_back(&tenant)?;
        machine.renews(&cluster, RENEWED)?;

        spec["expose"]["loadBalancer"] = json!({"address": OURS.to_string()});
        let other = Tenant::create(project, "other", &spec)?;
        let asks = format!("can give {OURS}");
        let refused = ["no load balancer has given an address yet", &asks, "in use by"];
        other.await_words("Ready", "LoadBalancerPending", &refused, SOON)?;
        the_address_of_a_lost_service_is_not_taken(&tenant, &other)?;
        machine.renews(&cluster, RENEWED)?;
        machine.await_ready(&cluster, NODE_READY)
    })
}

/// The management cluster's first family is IPv4: of that a Service is whose address nobody asks for.
#[test]
fn an_address_of_ipv6_is_given_to_who_asks_for_it_and_a_machine_joins_by_it() -> Outcome {
    scenario("load-balancer-6", |project| {
        let mut spec = spec_for_namespaces(MINOR);
        spec["expose"]["type"] = json!("LoadBalancer");
        let balancer = MetalLb::install()?;
        let tenant = Tenant::create(project, "demo", &spec)?;
        it_waits_for_an_address(&tenant)?;
        balancer.gives(&[OURS_6])?;
        network::give_host(MANAGEMENT, NODE_6)?;
        let asked = json!({"address": OURS_6.to_string()});
        tenant.patch(&json!({"spec": {"expose": {"loadBalancer": asked}}}))?;
        tenant.await_ready()?;
        let endpoint = format!("[{OURS_6}]:6443");
        let secret = tenant.token("nodes", "1h")?.secret()?;
        everybody_is_told(&tenant, &secret, &endpoint)?;
        let machine = Machine::add("ring-load-balancer-6", MINOR)?;
        network::give_host(machine.name(), MACHINE_6)?;
        machine.join(&secret)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        machine.uses(&endpoint)?;
        machine.renews(&cluster, RENEWED)
    })
}

/// Nothing but Services is made for it meanwhile.
fn it_waits_for_an_address(tenant: &Tenant) -> Outcome {
    let words = [
        "no load balancer has given an address yet",
        SERVICE,
        "see that one runs in the management cluster and has addresses left",
    ];
    tenant.await_words("Ready", "LoadBalancerPending", &words, SOON)?;
    let pods = tenant.project.management.list(&["pods,secrets", "-n", &tenant.plane()?])?;
    ensure(pods.is_empty(), || format!("without an address there is already: {pods:?}"))
}

/// kubectl verifies the certificate by that address.
fn everybody_is_told(tenant: &Tenant, secret: &JoinSecret, endpoint: &str) -> Outcome {
    let said = tenant.status("/endpoint")?;
    ensure(said == endpoint, || format!("the endpoint is {said}, not {endpoint}"))?;
    let cluster = tenant.admin()?;
    let server = format!("https://{endpoint}");
    ensure_says(&cluster.run(&["config", "view"])?, &[&server])?;
    ensure_says(&cluster.run(&["get", "--raw", "/livez"])?, &["ok"])?;
    let info = ["get", "configmap", "-n", "kube-public", "cluster-info", "-oyaml"];
    ensure_says(&cluster.run(&info)?, &[&server])?;
    ensure_says(&secret.command, &[&format!("kubeadm join {endpoint} ")])
}

fn delete_service(tenant: &Tenant) -> Outcome {
    let words = ["delete", "service", "-n", &tenant.plane()?, SERVICE];
    tenant.project.management.run(&words).map(drop)
}

fn await_given_back(tenant: &Tenant) -> Outcome {
    wait_until(&format!("its new Service has {OURS}"), SOON, || {
        let words = ["service", "-n", &tenant.plane()?, SERVICE];
        let found = tenant.project.management.find(&words)?.unwrap_or_default();
        let given = text(&found, "/status/loadBalancer/ingress/0/ip");
        Ok(Look::done_if(given == OURS.to_string(), || found["status"].to_string()))
    })?;
    tenant.await_ready()
}

/// While the Service of the first is away, MetalLB hands its address on.
fn the_address_of_a_lost_service_is_not_taken(tenant: &Tenant, other: &Tenant) -> Outcome {
    tenant.pause()?;
    delete_service(tenant)?;
    let given = format!("was given {OURS}");
    let owner = format!("which is the endpoint of {}/{}", tenant.project.name, tenant.name);
    let words = [given.as_str(), &owner, "and then delete the Service"];
    other.await_words("Ready", "LoadBalancerPending", &words, SOON)?;
    let endpoint = other.status("/endpoint")?;
    ensure(endpoint == Value::Null, || format!("the other one has the endpoint {endpoint}"))?;
    other.delete()?;
    other.await_gone(SOON)?;
    tenant.patch(&json!({"spec": {"paused": false}}))?;
    await_given_back(tenant)
}
