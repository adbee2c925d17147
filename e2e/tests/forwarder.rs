//! Pods of a tenant behind the gateway ask for their API server as pods of any cluster do: by the address of its Service,
//! and by the name that it has in every cluster.

use std::time::{Duration, Instant};

use e2e::images::BUSYBOX;
use e2e::install::build_forwarder_image;
use e2e::progress::say;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Gateway, Kubectl, Look, Machine, Outcome, Tenant, ensure, scenario, wait_until};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
const ADDON_READY: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_mins(1);
/// The kubelet starts what has ended once at once.
const BACK: Duration = Duration::from_secs(10);
/// Of every cluster here: the first address of the default network.
const SERVICE: &str = "10.96.0.1";

/// As client-go does in a pod: the Service's address, which is no name for TLS. With any option that says how to ask, such as
/// `--request-timeout`, kubectl would not look whether it is in one.
const BY_ADDRESS: &str = "timeout 5 /kubectl get --raw /api/v1/namespaces/kube-system";
const BY_NAME: &str = "cd /var/run/secrets/kubernetes.io/serviceaccount && /kubectl get --raw \
    /api/v1/namespaces/kube-system --request-timeout=5s --server=https://kubernetes.default.svc \
    --certificate-authority=ca.crt --token=$(cat token)";

#[test]
fn pods_behind_the_gateway_get_to_their_own_cluster_as_pods_of_any_other_do() -> Outcome {
    scenario("forwarder", |project| {
        let image = build_forwarder_image()?;
        let _gateway = Gateway::install()?;
        let mut spec = spec_for_namespaces("1.37");
        spec["expose"]["type"] = json!("Gateway");
        // Somebody else at the same address, who would be asked if no name counted.
        let other = Tenant::create(project, "other", &spec)?;
        spec["addons"]["forwarder"]["management"] = json!("Unmanaged");
        let tenant = Tenant::create(project, "demo", &spec)?;
        other.await_ready()?;
        tenant.await_ready()?;
        let cluster = tenant.through_the_gateway()?;
        let machine = Machine::add("ring-forwarder", "1.37")?;
        machine.load(&image)?;
        machine.knows_the_gateway_as(&tenant.host())?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&cluster, NODE_READY)?;
        start_client(&cluster)?;
        // What it was like before there was a forwarder: this test can fail.
        let answer = asked(&cluster, BY_ADDRESS);
        ensure(answer.is_err(), || format!("without a forwarder a pod is answered: {answer:?}"))?;
        ensure(livez(&machine).is_err(), || "without a forwarder there is an answer".to_owned())?;

        let since = Instant::now();
        tenant.patch(&json!({"spec": {"addons": {"forwarder": {"management": "Managed"}}}}))?;
        await_answer(&machine, "once it is managed", since, ADDON_READY)?;
        await_core_dns(&cluster)?;
        own_cluster_answers(&cluster, &other)?;
        forwarder_is_ready(&cluster)?;
        is_small(&machine)?;

        machine.run(&["pkill", "-KILL", "-x", "nagaya-forwarde"])?;
        ensure(livez(&machine).is_err(), || "it was not killed".to_owned())?;
        await_answer(&machine, "after the forwarder was killed", Instant::now(), BACK)?;
        own_cluster_answers(&cluster, &other)?;

        machine.reboot()?;
        await_answer(&machine, "after the machine was switched on again", Instant::now(), SOON)?;
        own_cluster_answers(&cluster, &other)
    })
}

/// A pod with kubectl, whose service account may read namespaces.
fn start_client(cluster: &Kubectl) -> Outcome {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "client"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"},
        "spec": {
            "containers": [{
                "name": "client", "image": BUSYBOX, "command": ["sleep", "86400"],
                "volumeMounts": [{"name": "kubectl", "mountPath": "/kubectl", "readOnly": true}],
            }],
            "volumes": [
                {"name": "kubectl", "hostPath": {"path": "/usr/bin/kubectl", "type": "File"}},
            ],
        },
    });
    cluster.apply(&binding)?;
    wait_until("the client runs", SOON, || {
        if cluster.find(&["pod", "client"])?.is_none() {
            cluster.apply(&pod)?;
        }
        let found = cluster.get(&["pod", "client"])?;
        let ready = found["status"]["containerStatuses"][0]["ready"] == true;
        Ok(Look::done_if(ready, || found["status"].to_string()))
    })
}

/// What the client says to that command.
fn asked(cluster: &Kubectl, script: &str) -> Result<String, String> {
    let words = ["exec", "client", "--", "sh", "-c", script];
    cluster.run(&words).map_err(|failure| failure.to_string())
}

/// Either way leads to the cluster that the pod is of, as its token and its CA say too.
fn own_cluster_answers(cluster: &Kubectl, other: &Tenant<'_>) -> Outcome {
    let uid = |cluster: &Kubectl| -> Outcome<Value> {
        Ok(cluster.get(&["namespace", "kube-system"])?["metadata"]["uid"].clone())
    };
    let (own, others) = (uid(cluster)?, uid(&other.through_the_gateway()?)?);
    ensure(own != others, || format!("both clusters are {own}"))?;
    for script in [BY_ADDRESS, BY_NAME] {
        wait_until("a pod is answered by its own cluster", SOON, || {
            let said = match asked(cluster, script) {
                Ok(said) => said,
                Err(said) => return Ok(Look::NotYet(said)),
            };
            let found: Value = serde_json::from_str(&said)?;
            let found = &found["metadata"]["uid"];
            Ok(Look::done_if(*found == own, || format!("{found}, not {own}")))
        })?;
    }
    Ok(())
}

/// Of the Service's address, from the node itself.
fn livez(machine: &Machine) -> Outcome<String> {
    let url = format!("https://{SERVICE}/livez");
    machine.run(&["curl", "--silent", "--show-error", "--insecure", "--max-time", "2", &url])
}

fn await_answer(machine: &Machine, when: &str, since: Instant, within: Duration) -> Outcome {
    wait_until(&format!("the Service's address answers {when}"), within, || {
        Ok(match livez(machine) {
            Ok(answer) => Look::done_if(answer == "ok", || answer),
            Err(failure) => Look::NotYet(failure.to_string()),
        })
    })?;
    say(&format!("{when} it answers within {:.1} s", since.elapsed().as_secs_f64()));
    Ok(())
}

/// DNS asks by the Service's address again.
fn await_core_dns(cluster: &Kubectl) -> Outcome {
    wait_until("CoreDNS is ready", ADDON_READY, || {
        let found = cluster.get(&["deployment", "-n", "kube-system", "coredns"])?;
        let status = &found["status"];
        let new = status["updatedReplicas"] == found["spec"]["replicas"];
        let by_address = found["spec"]["template"]["spec"]["hostAliases"] == Value::Null;
        let ready = status["readyReplicas"] == found["spec"]["replicas"];
        Ok(Look::done_if(new && by_address && ready, || status.to_string()))
    })
}

fn forwarder_is_ready(cluster: &Kubectl) -> Outcome {
    wait_until("the forwarder is ready", SOON, || {
        let found = cluster.get(&["daemonset", "-n", "kube-system", "nagaya-forwarder"])?;
        let available = found["status"]["numberAvailable"].as_u64().unwrap_or_default();
        Ok(Look::done_if(available == 1, || found["status"].to_string()))
    })
}

fn is_small(machine: &Machine) -> Outcome {
    let script = "grep VmRSS /proc/$(pgrep -x nagaya-forwarde)/status";
    let said = machine.run(&["sh", "-c", script])?;
    let kib = said.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    say(&format!("the forwarder has {} of memory", said.trim()));
    ensure(kib.is_some_and(|kib| kib < 10 * 1024), || format!("it has more than 10 MiB: {said}"))
}
