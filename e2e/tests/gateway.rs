//! A tenant behind the gateway: what is said while that is not there, and a machine that joins through it and no other way.

use std::time::Duration;

use e2e::install::{GATEWAY_DOMAIN, GATEWAY_PORT, build_forwarder_image, remove_gateway};
use e2e::network::MANAGEMENT_ADDRESS;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Gateway, Look, Machine, Outcome, Tenant, ensure, ensure_says, scenario, wait_until, workload,
};
use serde_json::json;

const BIRTH: Duration = Duration::from_mins(3);
const SOON: Duration = Duration::from_mins(1);
/// The last refusal is a minute old before the gateway does not tell of it any more, and another one before it is over; two are
/// the manager's own.
const OVER: Duration = Duration::from_mins(4);
/// Through each of the gateway's pods.
const ALLOWED: &str = "20";
/// For how long the machine holds its connections. An API server ends silent ones after 32 s.
const HOLDS: Duration = Duration::from_secs(45);
const NODE_READY: Duration = Duration::from_mins(1);

#[test]
fn a_machine_joins_through_the_gateway_by_the_name_of_its_cluster() -> Outcome {
    scenario("gateway", |project| {
        remove_gateway()?;
        let mut spec = spec_for_namespaces("1.37");
        spec["expose"]["type"] = json!("Gateway");
        let tenant = Tenant::create(project, "demo", &spec)?;
        let host = tenant.host();
        let endpoint = format!("{host}:{GATEWAY_PORT}");
        tenant.await_condition("APIServerReady", "True", BIRTH)?;
        let missing = tenant.await_condition("EndpointReachable", "False", SOON)?;
        ensure_says(&missing.message, &["cannot connect to the gateway", &endpoint])?;
        tenant.diagnose(&[])?.says("public-endpoint", "failed", "cannot connect to the gateway")?;
        let _gateway = Gateway::install()?;
        tenant.await_ready()?;
        let said = tenant.status("/endpoint")?;
        ensure(said == endpoint.as_str(), || format!("the endpoint is {said}, not {endpoint}"))?;
        let cluster = tenant.through_the_gateway()?;
        let machine = Machine::add("ring-gateway", "1.37")?;
        machine.load(&build_forwarder_image()?)?;
        machine.knows_the_gateway_as(&host)?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&cluster, NODE_READY)?;
        machine.uses(&endpoint)?;
        workload::await_core_dns(&cluster)?;
        only_its_name_leads_there(&machine, &host)?;
        a_further_name_leads_there(&tenant, &machine)?;
        too_many_connections_are_told_until_they_end(&tenant, &machine)
    })
}

fn only_its_name_leads_there(machine: &Machine, host: &str) -> Outcome {
    ensure_says(&livez(machine, host)?, &["ok"])?;
    for stranger in ["nobody.example.com", GATEWAY_DOMAIN] {
        let refused = livez(machine, stranger);
        let words = refused.err().map(|failure| failure.to_string()).unwrap_or_default();
        ensure_says(&words, &["unrecognized name"])?;
    }
    Ok(())
}

fn a_further_name_leads_there(tenant: &Tenant, machine: &Machine) -> Outcome {
    let name = "api.demo.example";
    tenant.patch(&json!({"spec": {"expose": {"extraNames": [name]}}}))?;
    wait_until("the further name leads there", SOON, || {
        Ok(match livez(machine, name) {
            Ok(answer) => Look::done_if(answer == "ok", || answer),
            Err(failure) => Look::done_if(false, || failure.to_string()),
        })
    })
}

fn livez(machine: &Machine, host: &str) -> Outcome<String> {
    let resolve = format!("{host}:{GATEWAY_PORT}:{MANAGEMENT_ADDRESS}");
    let url = format!("https://{host}:{GATEWAY_PORT}/livez");
    let words = ["curl", "--silent", "--show-error", "--insecure", "--max-time", "10"];
    machine.run(&[&words[..], &["--resolve", &resolve, &url]].concat())
}

/// A machine opens three times as many connections as each pod of the gateway lets it have.
fn too_many_connections_are_told_until_they_end(tenant: &Tenant, machine: &Machine) -> Outcome {
    let (plane, service) = (tenant.plane()?, "kube-apiserver-public");
    let management = &tenant.project.management;
    let allowed = format!("nagaya.dev/gateway-connections={ALLOWED}");
    management.run(&["annotate", "service", "-n", &plane, service, &allowed])?;
    let host = tenant.host();
    let script = format!(
        "for i in $(seq 60); do (sleep {} | openssl s_client -connect {MANAGEMENT_ADDRESS}:{GATEWAY_PORT} -servername {host} \
         > /dev/null 2>&1) & done; wait",
        HOLDS.as_secs()
    );
    let mut holding = machine.command(&["sh", "-c", &script])?.spawn()?;
    let told = tenant.await_condition("ConnectionsLimited", "True", SOON);
    let diagnosis = tenant.diagnose(&[]);
    holding.wait()?;
    let told = told?;
    ensure(told.reason == "TooManyConnections", || format!("{told:?}"))?;
    let many = format!("no more than {ALLOWED} may be open at");
    let mend = "nagaya.dev/gateway-connections=NUMBER";
    ensure_says(&told.message, &[&many, "nagaya-gateway-", mend, &plane])?;
    diagnosis?.says("connections", "failed", &many)?;
    wait_until("it is told no more", OVER, || {
        let conditions = tenant.status("/conditions")?.to_string();
        Ok(Look::done_if(!conditions.contains("ConnectionsLimited"), || conditions))
    })?;
    tenant.await_ready()
}
