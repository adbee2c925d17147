//! What pods on two machines find: names, Services, themselves and each other, and what another pod has left on a volume.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::images;
use e2e::ring::kubectl::text;
use e2e::ring::{Kubectl, Look, Machine, Outcome, ensure_says, wait_until, workload};
use serde_json::{Value, json};

const ANSWER: Duration = Duration::from_secs(30);

fn client() -> Value {
    json!({
        "name": "client", "image": images::BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
    })
}

/// A page, and beside it who asks, on one machine.
pub fn web(machine: &Machine) -> Value {
    let name = machine.name();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web", "on": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1, "nodeSelector": {"kubernetes.io/hostname": name},
            "containers": [workload::nginx(), client()],
        },
    })
}

/// Of both pods, of both without an address, and of the first alone.
pub fn services(first: &Machine) -> [Value; 3] {
    let service = |name: &str, spec: Value| {
        let mut spec = spec;
        spec["ports"] = json!([{"port": 80}]);
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
    };
    [
        service("web", json!({"selector": {"app": "web"}})),
        service("each", json!({"selector": {"app": "web"}, "clusterIP": "None"})),
        service("first", json!({"selector": {"on": first.name()}, "type": "NodePort"})),
    ]
}

pub fn names_are_found(cluster: &Kubectl, pod: &str) -> Outcome {
    let service = cluster.get(&["service", "web"])?;
    let pods = cluster.list(&["pods", "-l", "app=web"])?;
    let pods: BTreeSet<&str> = pods.iter().map(|pod| text(pod, "/status/podIP")).collect();
    for (name, addresses) in [
        ("web.default.svc.cluster.local", [text(&service, "/spec/clusterIP")].into()),
        ("each.default.svc.cluster.local", pods),
        ("db.corp", ["192.0.2.5"].into()),
        ("any.corp.example", ["192.0.2.6"].into()),
        ("any.own.example", ["192.0.2.7"].into()),
    ] {
        wait_until(&format!("{pod} finds {name}"), ANSWER, || {
            let said = within(cluster, pod, &["nslookup", "-type=a", name])?;
            let found = said.lines().skip_while(|line| !line.starts_with("Name:"));
            let found: BTreeSet<&str> =
                found.filter_map(|line| line.strip_prefix("Address: ")).collect();
            Ok(Look::done_if(found == addresses, || format!("{said}, not {addresses:?}")))
        })?;
    }
    Ok(())
}

fn within(cluster: &Kubectl, pod: &str, words: &[&str]) -> Outcome<String> {
    cluster.run(&[&["exec", pod, "-c", "client", "--", "timeout", "3"], words].concat())
}

pub fn services_are_reached(cluster: &Kubectl, machines: &[Machine; 2]) -> Outcome {
    let [one, two] = machines;
    let first = cluster.get(&["service", "first"])?;
    let address = text(&first, "/spec/clusterIP");
    let port = &first["spec"]["ports"][0]["nodePort"];
    let at = |machine: &Machine| -> Outcome<String> {
        let pod = cluster.get(&["pod", machine.name()])?;
        Ok(text(&pod, "/status/podIP").to_owned())
    };
    for (what, from, host) in [
        ("a pod on the other machine", one, at(two)?),
        ("a pod on the other machine", two, at(one)?),
        ("a ClusterIP whose pod is on the other machine", two, address.to_owned()),
        ("a Service of both", one, "web".to_owned()),
        ("itself through its Service", one, "first".to_owned()),
    ] {
        wait_until(&format!("a pod on {} reaches {what}", from.name()), ANSWER, || {
            let url = format!("http://{host}/");
            let page = within(cluster, from.name(), &["wget", "-q", "-O", "-", &url])?;
            Ok(Look::done_if(page.contains(workload::PAGE), || page))
        })?;
    }
    for (from, to) in [(two, one), (one, two)] {
        let url = format!("http://{}:{port}/", to.address());
        wait_until(&format!("{} reaches {url}", from.name()), ANSWER, || {
            let page = from.run(&["curl", "--silent", "--max-time", "3", &url])?;
            Ok(Look::done_if(page.contains(workload::PAGE), || page))
        })?;
    }
    Ok(())
}

pub fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    })
}

/// A pod with the claim's volume, which does `first` before it is there.
pub fn user(name: &str, first: &str) -> Value {
    let mut container = client();
    container["command"] = json!(["sh", "-c", format!("{first} && exec sleep infinity")]);
    container["volumeMounts"] = json!([{"name": "kept", "mountPath": "/data"}]);
    container["readinessProbe"] =
        json!({"exec": {"command": ["cat", "/data/word"]}, "periodSeconds": 1});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [container],
            "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
        },
    })
}

pub fn a_volume_outlives_its_pod(cluster: &Kubectl) -> Outcome {
    workload::await_pod(cluster, "writer")?;
    cluster.run(&["delete", "pod", "writer", "--wait", "--request-timeout=0"])?;
    cluster.apply(&user("reader", "true"))?;
    workload::await_pod(cluster, "reader")?;
    ensure_says(&within(cluster, "reader", &["cat", "/data/word"])?, &["kept"])
}
