//! A machine that nobody can reach, and that reaches nothing but the gateway: it joins, and through the tunnel its pods have logs, can
//! be worked in and forwarded to; and nobody becomes an agent who is none.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use e2e::command::feed;
use e2e::components::{self, Component};
use e2e::install::GATEWAY_PORT;
use e2e::network::{GATEWAY, MANAGEMENT_ADDRESS};
use e2e::progress::say;
use e2e::ring::process::on_the_host;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Failure, Gateway, Kubectl, Look, Machine, Outcome, Tenant, ensure, ensure_says, scenario,
    wait_until, workload,
};
use e2e::{host, sandbox};
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
        let mut spec = spec_for_namespaces("1.37");
        spec["expose"]["type"] = json!("Gateway");
        spec["addons"]["konnectivity"] = json!({"management": "Unmanaged"});
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let cluster = tenant.through_the_gateway()?;
        let machine = Machine::add("ring-tunnel", "1.37")?;
        machine.knows_the_gateway_as(&tenant.host())?;
        shut_off(&machine)?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&cluster, NODE_READY)?;
        run_a_pod(&cluster)?;
        without_an_agent_nothing_is_reached(&cluster)?;
        tenant.patch(&json!({"spec": {"addons": {"konnectivity": {"management": "Managed"}}}}))?;
        await_agent(&cluster)?;
        pods_are_reached(&cluster)?;
        services_are_reached(&cluster)?;
        it_is_still_shut_off(&machine)?;
        comes_back_when_its_agent_is_killed(&cluster, &machine)?;
        comes_back_when_the_api_server_is_replaced(&tenant, &cluster)?;
        only_an_agent_becomes_one(&tenant, &cluster, &machine)
    })
}

/// From outside nothing new comes in; to the outside nothing new goes but to the gateway's address and port, and to DNS. In the mangle
/// table, before and after all that kube-proxy and the pod network do.
fn shut_off(machine: &Machine) -> Outcome {
    let new = "-m conntrack --ctstate NEW,INVALID";
    let script = [
        format!("iptables -w -t mangle -A PREROUTING -i eth0 {new} -j DROP"),
        format!(
            "iptables -w -t mangle -A POSTROUTING -o eth0 -p tcp -d {MANAGEMENT_ADDRESS} --dport {GATEWAY_PORT} -j ACCEPT"
        ),
        format!(
            "iptables -w -t mangle -A POSTROUTING -o eth0 -p udp -d {GATEWAY} --dport 53 -j ACCEPT"
        ),
        format!(
            "iptables -w -t mangle -A POSTROUTING -o eth0 -p tcp -d {GATEWAY} --dport 53 -j ACCEPT"
        ),
        format!("iptables -w -t mangle -A POSTROUTING -o eth0 {new} -j DROP"),
    ];
    machine.run(&["sh", "-c", &script.join(" && ")])?;
    it_is_still_shut_off(machine)
}

fn it_is_still_shut_off(machine: &Machine) -> Outcome {
    let inwards = on_the_host(&format!(
        "timeout 3 busybox nc {} 10250 < /dev/null; echo ended with $?",
        machine.address()
    ))?;
    // `timeout` ended it: not even a refusal came back.
    ensure_says(&inwards, &["ended with 124"])?;
    let url = format!("https://{MANAGEMENT_ADDRESS}:6443/livez");
    let outwards = machine.run(&["curl", "--silent", "--insecure", "--max-time", "3", &url]);
    ensure(outwards.is_err(), || format!("the machine reached {url}"))
}

fn run_a_pod(cluster: &Kubectl) -> Outcome {
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [web(), service()]}))?;
    wait_until("the pod is ready", ROLLOUT, || {
        let pod = cluster.get(&["pod", "web"])?;
        let ready = pod["status"]["containerStatuses"][0]["ready"] == true;
        Ok(Look::done_if(ready, || pod["status"].to_string()))
    })
}

fn web() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [workload::nginx()]},
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    })
}

fn without_an_agent_nothing_is_reached(cluster: &Kubectl) -> Outcome {
    let words = cluster.refusal(&["logs", "web"])?;
    say(&format!("without an agent: {}", words.trim()));
    ensure_says(&words, &["No agent available"])
}

fn await_agent(cluster: &Kubectl) -> Outcome {
    wait_until("the agent has met the server", ROLLOUT, || {
        let set = cluster.get(&["daemonset", "-n", "kube-system", "konnectivity-agent"])?;
        let status = &set["status"];
        let ready = status["numberReady"] == 1 && status["updatedNumberScheduled"] == 1;
        Ok(Look::done_if(ready, || status.to_string()))
    })
}

/// What every user does first.
fn pods_are_reached(cluster: &Kubectl) -> Outcome {
    let log = cluster.run(&["logs", "web"])?;
    ensure_says(&log, &["GET / HTTP/1."])?;
    let inside = cluster.run(&["exec", "web", "--", "/usr/sbin/nginx", "-t"]);
    inside.map(drop)?;
    let mut forward = Forward::start(cluster)?;
    let page = forward.fetch()?;
    ensure_says(&page, &["a tenant's own node"])
}

/// `kubectl port-forward`; it ends with its handle.
struct Forward {
    child: Child,
    /// It says a line for each connection, and would end with whoever listens.
    said: BufReader<ChildStdout>,
    port: String,
}

impl Forward {
    fn start(cluster: &Kubectl) -> Outcome<Self> {
        let words = ["port-forward", "pod/web", ":80"].map(str::to_owned);
        let mut command = sandbox::kubectl(&words)?;
        if let Some(path) = cluster.kubeconfig() {
            command.env("KUBECONFIG", path);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or_else(|| Failure::new("kubectl has no output"))?;
        let mut said = BufReader::new(said);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let port = line.split(" -> ").next().and_then(|first| first.rsplit(':').next());
        let port = port.unwrap_or_default().to_owned();
        Ok(Self { child, said, port })
    }

    fn fetch(&mut self) -> Outcome<String> {
        let url = format!("http://127.0.0.1:{}/", self.port);
        let page = on_the_host(&format!("curl --silent --show-error --max-time 10 {url}"))?;
        let mut lines = self.said.by_ref().lines().map_while(Result::ok);
        let is_handled = lines.any(|line| line.starts_with("Handling connection"));
        ensure(is_handled, || "kubectl has ended".to_owned())?;
        Ok(page)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not the kubelet's but what is in pods: as webhooks and aggregated APIs are asked.
fn services_are_reached(cluster: &Kubectl) -> Outcome {
    for path in ["pods/web:80", "services/web:80"] {
        let path = format!("/api/v1/namespaces/default/{path}/proxy/");
        let page = cluster.run(&["get", "--raw", &path])?;
        ensure_says(&page, &["a tenant's own node"])?;
    }
    Ok(())
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
    await_agent(cluster)
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
