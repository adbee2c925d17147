//! All that goes through the tunnel.

use std::time::{Duration, Instant};

use e2e::images::BUSYBOX;
use e2e::kubectl::manifests;
use e2e::progress::say;
use e2e::ring::tunnel::{exec, logs, port_forward, proxied};
use e2e::ring::workload::await_pod;
use e2e::ring::{Kubectl, Look, Machine, Outcome, ensure_says, tenant_webhook, wait_until};
use serde_json::json;

/// Who is told that it took too long asks once more; kubectl of these tests is that impatient after 10 s.
const WORKS: Duration = Duration::from_mins(1);
/// metrics-server has to have looked twice.
const METRICS: Duration = Duration::from_mins(2);

/// What a user does with pods, and what API servers ask of them.
pub fn in_every_way(cluster: &Kubectl) -> Outcome {
    works("kubectl logs", || logs(cluster))?;
    works("kubectl exec", || exec(cluster))?;
    works("kubectl port-forward", || port_forward(cluster))?;
    works("kubectl attach", || attach(cluster))?;
    works("the proxy to pods and Services", || proxied(cluster))?;
    works("a webhook in the tenant", || tenant_webhook::judges(cluster))
}

/// A real one, which asks kubelets as it is asked by the API server.
pub fn by_aggregated_apis(cluster: &Kubectl, machine: &Machine) -> Outcome {
    let path = manifests().join("metrics-server.yaml");
    cluster.run(&["apply", "-f", &path.to_string_lossy()])?;
    wait_until("metrics.k8s.io is available", METRICS, || {
        let service = cluster.get(&["apiservice", "v1beta1.metrics.k8s.io"])?;
        let available = service["status"]["conditions"][0]["status"] == "True";
        Ok(Look::done_if(available, || service["status"].to_string()))
    })?;
    wait_until("there are figures", METRICS, || {
        let said = cluster.run(&["top", "node", machine.name()])?;
        Ok(Look::done_if(said.contains(machine.name()), || said))
    })?;
    works("kubectl top", || {
        let said = cluster.run(&["top", "node"])?;
        say(said.trim());
        ensure_says(&said, &["CPU(cores)", machine.name()])?;
        ensure_says(&cluster.run(&["top", "pod", "-n", "kube-system"])?, &["metrics-server"])
    })
}

fn works(what: &str, mut ask: impl FnMut() -> Outcome) -> Outcome {
    let (mut times, mut began) = (0, Instant::now());
    wait_until(&format!("{what} works"), WORKS, || {
        (times, began) = (times + 1, Instant::now());
        ask().map(Look::Done)
    })?;
    let took = began.elapsed().as_secs_f64();
    say(&format!("{what}: works, in {took:.1} s, asked {times} time(s)"));
    Ok(())
}

/// It says back what it is told.
fn attach(cluster: &Kubectl) -> Outcome {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "echo"},
        "spec": {
            // Without `stdinOnce` the runtime lets go of whoever has nothing more to say.
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "echo", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent",
                "stdin": true, "stdinOnce": true, "command": ["sh", "-c", "read said; echo heard $said"],
            }],
        },
    });
    cluster.run(&["delete", "pod", "echo", "--ignore-not-found"])?;
    cluster.apply(&pod)?;
    await_pod(cluster, "echo")?;
    let said = cluster.feed(&["attach", "--stdin", "echo"], "a word\n")?;
    ensure_says(&said, &["heard a word"])
}
