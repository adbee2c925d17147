//! Two servers and two agents: each pod of kube-apiserver reaches each node, also when one of the servers was killed.

use std::time::{Duration, Instant};

use e2e::progress::say;
use e2e::ring::kubectl::{each, name, text};
use e2e::ring::tunnel::{await_agents, serve_a_page};
use e2e::ring::{Failure, Kubectl, Look, Machine, Outcome, Process, Tenant, wait_until};
use serde_json::{Value, json};

const ROLLOUT: Duration = Duration::from_mins(3);
const NODE_READY: Duration = Duration::from_mins(2);
/// From a server that is there to agents that have met that very one: each second they ask for one of the two, by chance.
const MEETS: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(30);

/// Pods on the two nodes.
const PODS: [&str; 2] = ["web", "web-2"];

/// `other` has not joined yet.
pub fn each_reaches_all(tenant: &Tenant<'_>, cluster: &Kubectl, other: &Machine) -> Outcome {
    tenant.patch(&json!({"spec": {"controlPlane": {"replicas": 2}}}))?;
    other.join(&tenant.token("more", "1h")?.secret()?)?;
    other.await_ready(cluster, NODE_READY)?;
    serve_a_page(cluster, PODS[1], other)?;
    await_two_servers(tenant)?;
    await_agents(cluster, 2)?;
    for server in servers(tenant)? {
        reached("two servers", tenant, cluster, &server, SOON)?;
    }
    killed(tenant, cluster)?;
    replaced(tenant, cluster)
}

/// Its process alone: the pod stays.
fn killed(tenant: &Tenant<'_>, cluster: &Kubectl) -> Outcome {
    let server = servers(tenant)?.swap_remove(0);
    let (began, uid) = (Instant::now(), text(&server, "/metadata/uid"));
    Process::of_pod(uid, "/proxy-server")?.kill()?;
    wait_until("the server runs again", SOON, || {
        let pods = servers(tenant)?;
        let pod = pods.iter().find(|pod| name(pod) == name(&server));
        let pod = pod.ok_or_else(|| Failure::new("its pod has gone"))?;
        let mut statuses = each(pod, "/status/containerStatuses");
        let again = statuses.any(|status| status["restartCount"] == 1 && status["ready"] == true);
        Ok(Look::done_if(again, || pod["status"].to_string()))
    })?;
    say(&format!("a server killed: runs again after {:.1} s", began.elapsed().as_secs_f64()));
    reached("a server killed", tenant, cluster, &server, MEETS)
}

fn replaced(tenant: &Tenant<'_>, cluster: &Kubectl) -> Outcome {
    let before = servers(tenant)?.swap_remove(0);
    let gone = name(&before);
    let plane = tenant.plane()?;
    tenant.project.management.run(&["delete", "pod", "-n", &plane, gone, "--wait=false"])?;
    wait_until("the pod has gone", ROLLOUT, || {
        let left = servers(tenant)?.iter().any(|pod| name(pod) == gone);
        Ok(Look::done_if(!left, || format!("{gone} is there")))
    })?;
    await_two_servers(tenant)?;
    for server in servers(tenant)? {
        reached("a pod replaced", tenant, cluster, &server, MEETS)?;
    }
    Ok(())
}

fn await_two_servers(tenant: &Tenant<'_>) -> Outcome {
    let plane = tenant.plane()?;
    wait_until("there are two API servers", ROLLOUT, || {
        let words = ["deployment", "-n", &plane, "kube-apiserver"];
        let status = tenant.project.management.get(&words)?["status"].take();
        let fields = ["replicas", "updatedReplicas", "readyReplicas"];
        let done = fields.iter().all(|field| status[*field] == 2) && servers(tenant)?.len() == 2;
        Ok(Look::done_if(done, || status.to_string()))
    })
}

/// The pods of kube-apiserver, those that end included.
fn servers(tenant: &Tenant<'_>) -> Outcome<Vec<Value>> {
    let (plane, label) = (tenant.plane()?, "app.kubernetes.io/name=kube-apiserver");
    tenant.project.management.list(&["pods", "-n", &plane, "-l", label])
}

/// All pods have logs, asked of that very API server.
fn reached(
    what: &str,
    tenant: &Tenant<'_>,
    cluster: &Kubectl,
    server: &Value,
    within: Duration,
) -> Outcome {
    let address = format!("--server=https://{}:6443", text(server, "/status/podIP"));
    let host = format!("--tls-server-name={}", tenant.host());
    let began = Instant::now();
    for pod in PODS {
        wait_until(&format!("{} reaches {pod}", name(server)), within, || {
            let words = ["logs", pod, "--tail=1", "--request-timeout=2s", &address, &host];
            cluster.run(&words).map(Look::Done)
        })?;
    }
    let took = began.elapsed().as_secs_f64();
    say(&format!("{what}: {} reaches both nodes after {took:.1} s", name(server)));
    Ok(())
}
