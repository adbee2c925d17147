//! A tenant with networks of both IP families: its pods and Services have addresses of each, and are reached by them.

use std::time::Duration;

use e2e::images::BUSYBOX;
use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::workload::await_pod;
use e2e::ring::{Kubectl, Look, Machine, Outcome, Tenant, ensure, scenario, wait_until};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(30);

#[test]
fn pods_and_services_are_reached_by_both_families() -> Outcome {
    scenario("dual-stack", |project| {
        let mut spec = spec_for_namespaces("1.37");
        spec["networking"] = json!({
            "podCIDRs": ["10.244.0.0/16", "fd42:244::/56"],
            "serviceCIDRs": ["10.96.0.0/16", "fd42:96::/112"],
        });
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.await_ready()?;
        let machine = Machine::add("ring-dual-stack", "1.37")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            pod("web", &["httpd", "-f", "-p", "80", "-h", "/etc"]),
            pod("client", &["sleep", "infinity"]),
            service("web", json!({"ipFamilyPolicy": "RequireDualStack"})),
            service("web-6", json!({"ipFamilies": ["IPv6"]})),
        ]}))?;
        for name in ["web", "client"] {
            await_pod(&cluster, name)?;
        }
        let pod = cluster.get(&["pod", "web"])?;
        let of_the_pod = each(&pod, "/status/podIPs").map(|one| text(one, "/ip").to_owned());
        let service = cluster.get(&["service", "web"])?;
        let of_the_service = each(&service, "/spec/clusterIPs");
        let of_the_service = of_the_service.map(|one| text(one, "").to_owned());
        for addresses in [of_the_pod.collect::<Vec<_>>(), of_the_service.collect()] {
            let is_of_6 = |address: &&String| address.starts_with("fd42:");
            let are_both = addresses.len() == 2 && addresses.iter().filter(is_of_6).count() == 1;
            ensure(are_both, || format!("not one of each family: {addresses:?}"))?;
            for address in addresses {
                answers(&cluster, &address)?;
            }
        }
        // By its name, which has an address of IPv6 alone.
        answers(&cluster, "web-6.default.svc.cluster.local")
    })
}

fn pod(name: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "busybox", "image": BUSYBOX,
                "imagePullPolicy": "IfNotPresent", "command": command,
            }],
        },
    })
}

fn service(name: &str, families: Value) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    if let (Some(spec), Value::Object(families)) = (service["spec"].as_object_mut(), families) {
        spec.extend(families);
    }
    service
}

/// A pod's file `/etc/hostname` is its name.
fn answers(cluster: &Kubectl, host: &str) -> Outcome {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{host}/hostname");
    let fetch = ["exec", "client", "--", "timeout", "3", "wget", "-q", "-O", "-", &url];
    wait_until(&format!("a pod is answered at {url}"), ANSWER, || {
        let answer = cluster.run(&fetch)?;
        Ok(Look::done_if(answer.trim() == "web", || answer))
    })
}
