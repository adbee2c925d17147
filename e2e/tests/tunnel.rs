//! A machine that nobody can reach, and that reaches nothing but the gateway: it joins, and through the tunnel its pods have logs, can
//! be worked in and forwarded to; and nobody becomes an agent who is none.

use std::time::{Duration, Instant};

use e2e::command::feed;
use e2e::components::{self, Component};
use e2e::host;
use e2e::install::GATEWAY_PORT;
use e2e::progress::say;
use e2e::ring::tunnel::{
    await_agents, exec, logs, port_forward, proxied, serve_a_page, spec_behind_the_gateway,
};
use e2e::ring::{
    Failure, Gateway, Kubectl, Look, Machine, Outcome, Tenant, ensure, ensure_says, scenario,
    wait_until,
};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
const ROLLOUT: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_secs(30);
/// What an agent that is killed may cost: the kubelet makes another, which connects.
const BACK_AGAIN: Duration = Duration::from_secs(20);
/// For an agent that is a stranger, to try.
const TRY: &str = "8";

#[test]
fn a_machine_that_nobody_can_reach_is_reached_through_the_tunnel() -> Outcome {
    scenario("tunnel", |project| {
        let _gateway = Gateway::install()?;
        let mut spec = spec_behind_the_gateway("1.37");
        spec["addons"]["konnectivity"] = json!({"management": "Unmanaged"});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let cluster = tenant.through_the_gateway()?;
        let machine = Machine::add("ring-tunnel", "1.37")?;
        machine.knows_the_gateway_as(&tenant.host())?;
        machine.shut_off()?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&cluster, NODE_READY)?;
        serve_a_page(&cluster, "web", &machine)?;
        without_an_agent_nothing_is_reached(&cluster)?;
        tenant.patch(&json!({"spec": {"addons": {"konnectivity": {"management": "Managed"}}}}))?;
        await_agents(&cluster, 1)?;
        for is_reached in [logs, exec, port_forward, proxied] {
            is_reached(&cluster)?;
        }
        machine.is_shut_off()?;
        comes_back_when_its_agent_is_killed(&cluster, &machine)?;
        comes_back_when_the_api_server_is_replaced(&tenant, &cluster)?;
        only_an_agent_becomes_one(&tenant, &cluster, &machine)
    })
}

fn without_an_agent_nothing_is_reached(cluster: &Kubectl) -> Outcome {
    let words = cluster.refusal(&["logs", "web"])?;
    say(&format!("without an agent: {}", words.trim()));
    ensure_says(&words, &["No agent available"])
}

/// Without a goodbye: one that is asked to end, or whose pod is deleted, serves until the next is there.
fn comes_back_when_its_agent_is_killed(cluster: &Kubectl, machine: &Machine) -> Outcome {
    machine.run(&["pkill", "-KILL", "-x", "proxy-agent"])?;
    let began = Instant::now();
    let away = cluster.run(&["logs", "web", "--tail=1"]).is_err();
    wait_until("logs are there again", BACK_AGAIN, || {
        cluster.run(&["logs", "web", "--tail=1"]).map(Look::Done)
    })?;
    let back = began.elapsed();
    say(&format!("an agent killed: was away: {away}; logs after {:.1} s", back.as_secs_f64()));
    await_agents(cluster, 1)
}

/// A certificate that is renewed has the same done: here somebody takes it away, and another one is made.
fn comes_back_when_the_api_server_is_replaced(tenant: &Tenant<'_>, cluster: &Kubectl) -> Outcome {
    let (plane, management) = (tenant.plane()?, &tenant.project.management);
    let deployment = ["deployment", "-n", &plane, "kube-apiserver"];
    let digest = || -> Outcome<Value> {
        let annotations = "/spec/template/metadata/annotations/nagaya.dev~1tunnel-certificate";
        Ok(management.get(&deployment)?.pointer(annotations).cloned().unwrap_or_default())
    };
    let before = digest()?;
    ensure(before.is_string(), || "the template names no certificate".to_owned())?;
    management.run(&["delete", "secret", "-n", &plane, "konnectivity-server-certs"])?;
    // A paused tenant's Secrets are read anew when it goes on.
    tenant.pause()?;
    tenant.patch(&json!({"spec": {"paused": false}}))?;
    wait_until("the server has another certificate", ROLLOUT, || {
        let now = digest()?;
        Ok(Look::done_if(now.is_string() && now != before, || now.to_string()))
    })?;
    wait_until("its pods are replaced", ROLLOUT, || {
        let found = management.get(&deployment)?;
        let (status, generation) = (&found["status"], &found["metadata"]["generation"]);
        let is_seen = status["observedGeneration"] == *generation;
        let is_new = status["updatedReplicas"] == 1 && status["replicas"] == 1;
        let done = is_seen && is_new && status["readyReplicas"] == 1;
        Ok(Look::done_if(done, || status.to_string()))
    })?;
    let began = Instant::now();
    wait_until("logs are there again", SOON, || {
        cluster.run(&["logs", "web", "--tail=1"]).map(Look::Done)
    })?;
    let back = began.elapsed().as_secs_f64();
    say(&format!(
        "kube-apiserver replaced: logs {back:.1} s after the last pod of before had gone"
    ));
    tenant.settles(ROLLOUT)
}

/// The agent's own program with the tokens of others, on the machine. Why one is refused only the server says.
fn only_an_agent_becomes_one(tenant: &Tenant<'_>, cluster: &Kubectl, machine: &Machine) -> Outcome {
    let host = &tenant.host();
    let program = components::ensure(&Component::konnectivity("1.37"), "proxy-agent")?;
    let words = ["sh", "-c", "cat > /root/agent && chmod 755 /root/agent"].map(str::to_owned);
    let file = std::fs::File::open(program)?;
    feed(&mut host::open(machine.name())?.exec(&words)?, file)?;
    machine.knows_the_gateway_as(&format!("konnectivity.{host}"))?;
    let token = |account: &str, audience: &str| {
        let audience = format!("--audience={audience}");
        cluster.run(&["create", "token", "-n", "kube-system", account, &audience])
    };
    let right = "system:konnectivity-server";
    let api = "https://kubernetes.default.svc.cluster.local";
    let own = token("konnectivity-agent", right)?;
    ensure_says(&attempt(machine, host, Some(&own))?, &["successfully connected"])?;
    let plane = tenant.plane()?;
    for (who, token, why) in [
        ("nobody", None, "Authentication context was not found"),
        ("a liar", Some("not.a.token".to_owned()), "invalid bearer token"),
        ("another", Some(token("default", right)?), "service account. Expected"),
        (
            "one with another token",
            Some(token("konnectivity-agent", api)?),
            "for the target audiences",
        ),
    ] {
        let said = attempt(machine, host, token.as_deref())?;
        ensure(!said.contains("successfully connected"), || format!("{who} became an agent"))?;
        ensure_says(&said, &["cannot connect once"])?;
        let words =
            ["logs", "-n", &plane, "deployment/kube-apiserver", "-c", "konnectivity-server"];
        let log = tenant.project.management.run(&[&words[..], &["--tail=20"]].concat())?;
        ensure_says(&log, &["Client authentication failed", why])?;
        say(&format!("{who} is no agent: {why}"));
    }
    Ok(())
}

/// What an agent says that is asked to become one with a token. (Asked to end, it does not.)
fn attempt(machine: &Machine, host: &str, token: Option<&str>) -> Outcome<String> {
    let mut agent = format!(
        "timeout -s KILL {TRY} /root/agent -v=2 --proxy-server-host=konnectivity.{host} --proxy-server-port={GATEWAY_PORT} \
         --ca-cert=/etc/kubernetes/pki/ca.crt --health-server-port=18093 --admin-server-port=18094"
    );
    if let Some(token) = token {
        let words = ["sh", "-c", "cat > /root/token"].map(str::to_owned);
        feed(&mut host::open(machine.name())?.exec(&words)?, token.trim().as_bytes())?;
        agent.push_str(" --service-account-token-path=/root/token");
    }
    let said = machine.run(&["sh", "-c", &format!("{agent} 2>&1; true")])?;
    if said.is_empty() { Err(Failure::new("the agent said nothing")) } else { Ok(said) }
}
