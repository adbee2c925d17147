//! A cluster with a machine moves from its node port to a load balancer (MetalLB), to one outside (HAProxy), and to a node port
//! again: nothing changes before an address is given, both ways work until the operator ends the old one, and the machine takes
//! the new one by the command that the status gives.

use std::time::Duration;

use e2e::network::{GATEWAY as OUTSIDE, SPARE_ADDRESSES};
use e2e::ring::kubectl::{each, name};
use e2e::ring::moves::{await_named, await_refusal, is_said, run_command};
use e2e::ring::{
    HaProxy, Kubectl, Look, Machine, MetalLb, Outcome, Tenant, ensure, ensure_says, scenario,
    wait_until,
};
use serde_json::{Value, json};

const MINOR: &str = "1.37";
const NAME: &str = "demo.example.com";
const NODE_READY: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_mins(1);
/// Six renewals of a Lease.
const RENEWED: Duration = Duration::from_mins(1);
const FIRST: &str = "kube-apiserver-public";
const SECOND: &str = "kube-apiserver-public-2";

#[test]
fn a_cluster_moves_to_load_balancers_and_back_to_a_node_port() -> Outcome {
    scenario("expose-balancers", |project| {
        let metallb = MetalLb::install()?;
        let tenant = Tenant::ready(project, "demo", MINOR)?;
        let machine = Machine::add("ring-balancers", MINOR)?;
        machine.knows(OUTSIDE, NAME)?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let moving =
            Moving { tenant: &tenant, machine: &machine, since: machine.ready_since(&cluster)? };
        let by_port = moving.endpoint()?;

        it_waits_and_can_be_taken_back(&tenant, &cluster, &by_port)?;
        ask(&tenant, &json!({"type": "LoadBalancer"}))?;
        metallb.gives(&SPARE_ADDRESSES[..1])?;
        let balanced = format!("{}:6443", SPARE_ADDRESSES[0]);
        moving.arrives(&balanced, &by_port)?;
        moving.leaves(&by_port, &tenant.admin()?)?;

        // As the guide says: the load balancer leads to where the cluster is, and then to where it will be.
        let before = HaProxy::start(&node_port(&tenant, SECOND)?)?;
        let external = json!({"host": NAME, "addresses": [OUTSIDE.to_string()]});
        ask(&tenant, &json!({"type": "External", "external": external}))?;
        let outside = format!("{NAME}:6443");
        moving.arrives(&outside, &balanced)?;
        is_said(&tenant, "/nodePort", &json!(node_port(&tenant, FIRST)?.parse::<u16>().ok()))?;
        drop(before);
        let _haproxy = HaProxy::start(&node_port(&tenant, FIRST)?)?;
        its_lost_service_gets_its_address_back(&tenant)?;
        moving.leaves(&balanced, &tenant.admin_at(&format!("{OUTSIDE}:6443"), NAME)?)?;

        ask(&tenant, &json!({"type": "NodePort", "external": null}))?;
        let again = wait_until("it has a node port", SOON, || {
            let endpoint = moving.endpoint()?;
            Ok(Look::some(Some(endpoint.clone()).filter(|now| *now != outside), || endpoint))
        })?;
        moving.arrives(&again, &outside)?;
        moving.leaves(&outside, &tenant.admin()?)
    })
}

/// One that is named to end does not count for the next move.
fn ask(tenant: &Tenant, expose: &Value) -> Outcome {
    let mut expose = expose.clone();
    expose["retiredEndpoint"] = Value::Null;
    tenant.patch(&json!({"spec": {"expose": expose}}))
}

/// Nothing is changed for anybody meanwhile.
fn it_waits_and_can_be_taken_back(tenant: &Tenant, cluster: &Kubectl, endpoint: &str) -> Outcome {
    ask(tenant, &json!({"type": "LoadBalancer"}))?;
    let stays = format!("the endpoint stays {endpoint} until another one has its address");
    let words = [stays.as_str(), SECOND, "has an empty status.loadBalancer"];
    tenant.await_words("Reconciling", "LoadBalancerPending", &words, SOON)?;
    tenant.await_ready()?;
    is_said(tenant, "/endpoint", &json!(endpoint))?;
    is_said(tenant, "/formerEndpoint", &Value::Null)?;
    let info = ["get", "configmap", "-n", "kube-public", "cluster-info", "-oyaml"];
    ensure_says(&cluster.run(&info)?, &[&format!("https://{endpoint}")])?;
    ask(tenant, &json!({"type": "NodePort"}))?;
    wait_until("the Service that waited is gone", SOON, || {
        let words = ["service", "-n", &tenant.plane()?, SECOND];
        let found = tenant.project.management.find(&words)?;
        Ok(Look::done_if(found.is_none(), || format!("{found:?}")))
    })?;
    tenant.await_ready()
}

/// As long as the endpoint of before is not ended.
fn its_lost_service_gets_its_address_back(tenant: &Tenant) -> Outcome {
    let (management, plane) = (&tenant.project.management, tenant.plane()?);
    management.run(&["delete", "service", "-n", &plane, SECOND])?;
    let address = SPARE_ADDRESSES[0].to_string();
    wait_until(&format!("its new Service has {address}"), SOON, || {
        let found = management.find(&["service", "-n", &plane, SECOND])?.unwrap_or_default();
        let given = each(&found, "/status/loadBalancer/ingress").any(|one| one["ip"] == *address);
        Ok(Look::done_if(given, || found["status"].to_string()))
    })
}

fn node_port(tenant: &Tenant, service: &str) -> Outcome<String> {
    let service = tenant.project.management.get(&["service", "-n", &tenant.plane()?, service])?;
    Ok(service["spec"]["ports"][0]["nodePort"].to_string())
}

struct Moving<'a> {
    tenant: &'a Tenant<'a>,
    machine: &'a Machine,
    /// Since when its node is Ready.
    since: String,
}

impl Moving<'_> {
    fn endpoint(&self) -> Outcome<String> {
        Ok(self.tenant.status("/endpoint")?.as_str().unwrap_or_default().to_owned())
    }

    /// The machine still uses the endpoint of before, and both answer with a certificate for their names.
    fn arrives(&self, new: &str, old: &str) -> Outcome {
        let Self { tenant, machine, since: _ } = self;
        wait_until(&format!("the endpoint is {new}"), SOON, || {
            let now = self.endpoint()?;
            Ok(Look::done_if(now == new, || now))
        })?;
        tenant.await_ready()?;
        is_said(tenant, "/formerEndpoint/endpoint", &json!(old))?;
        await_named(tenant, &json!([machine.name()]))?;
        machine.uses(old)?;
        let cluster = tenant.admin()?;
        [old, new].into_iter().try_for_each(|endpoint| answers(&cluster, endpoint))
    }

    /// It takes the new one, and the old one ends.
    fn leaves(&self, old: &str, by_new: &Kubectl) -> Outcome {
        let Self { tenant, machine, since } = self;
        let new = self.endpoint()?;
        ensure_says(&by_new.run(&["get", "--raw", "/livez"])?, &["ok"])?;
        run_command(tenant, machine, &new)?;
        await_named(tenant, &Value::Null)?;
        tenant.await_condition("NodesMoved", "True", SOON)?;
        machine.uses(&new)?;
        tenant.patch(&json!({"spec": {"expose": {"retiredEndpoint": old}}}))?;
        await_refusal(machine, old)?;
        machine.renews(by_new, RENEWED)?;
        machine.stayed_ready(by_new, since)?;
        tenant.await_ready()?;
        is_said(tenant, "/formerEndpoint", &Value::Null)?;
        let left = tenant.project.management.list(&["services", "-n", &tenant.plane()?])?;
        let public = left.iter().filter(|one| [FIRST, SECOND].contains(&name(one)));
        ensure(public.count() == 1, || format!("{old} has ended, and there is {left:?}"))
    }
}

/// With a certificate of that name, which only machines know by an address.
fn answers(cluster: &Kubectl, endpoint: &str) -> Outcome {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or_default();
    let address = if host == NAME { OUTSIDE.to_string() } else { host.to_owned() };
    let server = format!("--server=https://{address}:{port}");
    let name = format!("--tls-server-name={host}");
    ensure_says(&cluster.run(&[&server, &name, "get", "--raw", "/livez"])?, &["ok"])
}
