//! Nodes that reach their API server by a name of the operator's choice, and not by an address.

use std::time::Duration;

use e2e::host::namespaces::CNI_CONFIG;
use e2e::network::MANAGEMENT_ADDRESS;
use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Look, Machine, Outcome, Project, Tenant, ensure, ensure_says, scenario, wait_until,
};
use serde_json::{Value, json};

const NAME: &str = "demo.example.com";
const SOON: Duration = Duration::from_secs(15);
const NODE_READY: Duration = Duration::from_mins(1);
const KUBELETS_CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

#[test]
fn a_hostname_is_corrected_until_there_is_an_endpoint_and_kubelets_keep_it() -> Outcome {
    scenario("hostname", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["expose"]["hostname"] = json!("Upper.example.com");
        let tenant = Tenant::create(project, "demo", &spec)?;
        let ready = tenant.await_condition("Ready", "False", SOON)?;
        ensure_says(&ready.message, &["spec.expose.hostname"])?;
        tenant.patch(&hostname(&json!(NAME)))?;
        let endpoint = wait_until("it has an endpoint", SOON, || {
            let endpoint = tenant.status("/endpoint")?;
            let found = endpoint.as_str().filter(|endpoint| endpoint.starts_with(NAME));
            Ok(Look::some(found.map(str::to_owned), || endpoint.to_string()))
        })?;
        for another in [json!("other.example.com"), Value::Null] {
            refuses(project, &hostname(&another))?;
        }
        tenant.await_ready()?;
        let machine = Machine::add("ring-hostname", "1.37")?;
        machine.knows(MANAGEMENT_ADDRESS, NAME)?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        await_ready(&machine, &endpoint)?;
        machine.uses(&endpoint)?;
        a_node_that_loses_its_network_is_named(&tenant, &machine)
    })
}

fn a_node_that_loses_its_network_is_named(tenant: &Tenant, machine: &Machine) -> Outcome {
    tenant.await_condition("NodesReady", "True", NODE_READY)?;
    let removed = format!("{CNI_CONFIG}.off");
    machine.run(&["mv", CNI_CONFIG, &removed])?;
    // Nobody writes it again meanwhile.
    machine.run(&["mkdir", CNI_CONFIG])?;
    let told = tenant.await_condition("NodesReady", "False", NODE_READY)?;
    ensure_says(&told.message, &["1 of 1 nodes", machine.name(), "no CNI: install one"])?;
    machine.run(&["rmdir", CNI_CONFIG])?;
    machine.run(&["mv", &removed, CNI_CONFIG])?;
    tenant.await_condition("NodesReady", "True", NODE_READY).map(drop)
}

fn hostname(name: &Value) -> Value {
    json!({"spec": {"expose": {"hostname": name}}})
}

fn refuses(project: &Project, change: &Value) -> Outcome {
    let patch = change.to_string();
    let words = ["patch", "tnc", "-n", &project.name, "demo", "--type=merge", "-p", &patch];
    ensure_says(&project.management.refusal(&words)?, &["spec.expose.hostname cannot be set"])
}

/// As the kubelet itself sees its node, by the name.
fn await_ready(machine: &Machine, endpoint: &str) -> Outcome {
    let url = format!("https://{endpoint}/api/v1/nodes/{}", machine.name());
    let curl = ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--cert"];
    let trust = [KUBELETS_CERTIFICATE, "--cacert", "/etc/kubernetes/pki/ca.crt", &url];
    wait_until("the node is Ready by its own word", NODE_READY, || {
        let node: Value = serde_json::from_str(&machine.run(&[&curl[..], &trust].concat())?)?;
        let ready = each(&node, "/status/conditions").find(|one| text(one, "/type") == "Ready");
        let is_ready = ready.is_some_and(|one| text(one, "/status") == "True");
        ensure(text(&node, "/metadata/name") == machine.name(), || node.to_string())?;
        Ok(Look::done_if(is_ready, || node["status"]["conditions"].to_string()))
    })
}
