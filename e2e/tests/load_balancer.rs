//! Tenants behind a load balancer of the management cluster (MetalLB): what is said until it gives an address, a machine that
//! joins through that and no other way, and an address that stays whatever becomes of its Service.

use std::net::Ipv4Addr;
use std::time::Duration;

use e2e::network::SPARE_ADDRESSES;
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
