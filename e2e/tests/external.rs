//! A tenant behind a load balancer that the operator runs outside the management cluster: HAProxy, with the guide's
//! configuration.

use std::time::Duration;

use e2e::network::GATEWAY as BALANCER;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{HaProxy, Machine, Outcome, Tenant, ensure, ensure_says, scenario, workload};
use serde_json::json;

const MINOR: &str = "1.37";
const NAME: &str = "demo.example.com";
const BIRTH: Duration = Duration::from_mins(3);
const SOON: Duration = Duration::from_mins(1);
const NODE_READY: Duration = Duration::from_mins(1);
/// Six renewals of a Lease.
const RENEWED: Duration = Duration::from_mins(1);

#[test]
fn a_machine_joins_by_the_name_of_a_load_balancer_outside() -> Outcome {
    scenario("external", |project| {
        let mut spec = spec_for_namespaces(MINOR);
        spec["expose"] = json!({
            "type": "External", "external": {"host": NAME, "addresses": [BALANCER.to_string()]},
        });
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_condition("APIServerReady", "True", BIRTH)?;
        let node_port = tenant.status("/nodePort")?.to_string();
        is_missed(&tenant, &node_port)?;
        let balancer = HaProxy::start(&node_port)?;
        tenant.await_ready()?;
        let endpoint = format!("{NAME}:6443");
        let said = tenant.status("/endpoint")?;
        ensure(said == endpoint.as_str(), || format!("the endpoint is {said}, not {endpoint}"))?;

        let machine = Machine::add("ring-external", MINOR)?;
        machine.knows(BALANCER, NAME)?;
        let secret = tenant.token("nodes", "1h")?.secret()?;
        ensure_says(&secret.command, &[&format!("kubeadm join {endpoint} ")])?;
        machine.join(&secret)?;
        let cluster = tenant.admin_at(&format!("{BALANCER}:6443"), NAME)?;
        machine.await_ready(&cluster, NODE_READY)?;
        machine.uses(&endpoint)?;
        workload::await_core_dns(&cluster)?;

        let management = &project.management;
        management.run(&["delete", "service", "-n", &tenant.plane()?, "kube-apiserver-public"])?;
        machine.renews(&cluster, RENEWED)?;
        drop(balancer);
        is_missed(&tenant, &node_port)?;
        let _balancer = HaProxy::start(&node_port)?;
        tenant.await_ready()?;
        machine.renews(&cluster, RENEWED)
    })
}

/// It says where the load balancer has to lead.
fn is_missed(tenant: &Tenant, node_port: &str) -> Outcome {
    let leads = format!("spec.expose.external leads to port {node_port} of the management nodes");
    for kind in ["Ready", "EndpointReachable"] {
        let words = ["cannot connect to", NAME, &leads];
        tenant.await_words(kind, "EndpointUnreachable", &words, SOON)?;
    }
    Ok(())
}
