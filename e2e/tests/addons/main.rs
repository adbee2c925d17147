//! kube-proxy and CoreDNS as a tenant wants them, and what pods on two machines have of them: names, Services, themselves and each
//! other; and a volume that stays when its pod goes.

mod pods;

use std::time::Duration;

use e2e::images;
use e2e::images::catalogue::local_path_provisioner_reference;
use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::workload::await_pod;
use e2e::ring::{
    Kubectl, Look, Machine, Outcome, Tenant, ensure, ensure_says, scenario, stays, wait_until,
};
use pods::{
    a_volume_outlives_its_pod, claim, names_are_found, services, services_are_reached, user, web,
};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
const ROLLOUT: Duration = Duration::from_mins(2);
const REPAIRED: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// CoreDNS looks at its Corefile every 30 s, give or take 15.
const READ_AGAIN: Duration = Duration::from_mins(2);
const SYSTEM: [&str; 2] = ["-n", "kube-system"];
const STORAGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/samples/local-path-storage.yaml");
/// A block that answers for all names of a zone.
const OWN_ZONE: &str =
    "own.example:53 {\n  template IN A {\n    answer \"{{ .Name }} 60 IN A 192.0.2.7\"\n  }\n}\n";
/// There is no such plug-in.
const NO_BLOCK: &str = "bad:53 {\n  nothing\n}\n";

#[test]
fn addons_are_as_a_tenant_wants_them_and_pods_on_two_machines_find_what_they_need() -> Outcome {
    scenario("addons", |project| {
        let tenant = Tenant::create(project, "demo", &spec())?;
        tenant.await_ready()?;
        let cluster = tenant.admin()?;
        customise(&cluster, &json!({"own.server": OWN_ZONE}))?;
        what_is_not_asked_for_is_the_tenants(&cluster)?;
        what_is_asked_for_is_undone(&tenant, &cluster)?;
        let machines = [join(&tenant, &cluster, "one")?, join(&tenant, &cluster, "two")?];
        cluster.run(&["apply", "-f", STORAGE])?;
        let pods: Vec<Value> = machines.iter().map(web).collect();
        cluster.apply(&list(&[&pods[..], &services(&machines[0])].concat()))?;
        cluster.apply(&list(&[claim(), user("writer", "echo kept > /data/word")]))?;
        addons_run_as_wanted(&cluster, &machines)?;
        for machine in &machines {
            await_pod(&cluster, machine.name())?;
            names_are_found(&cluster, machine.name())?;
        }
        customise(&cluster, &json!({"own.server": OWN_ZONE, "bad.server": NO_BLOCK}))?;
        // The kubelet looks at the volumes of a pod that has changed, and else once a minute.
        run(&cluster, &["annotate", "pods", "-l", "k8s-app=kube-dns", "ring=changed"])?;
        services_are_reached(&cluster, &machines)?;
        a_volume_outlives_its_pod(&cluster)?;
        a_corefile_that_is_none_leaves_the_one_of_before(&cluster, machines[0].name())?;
        what_the_tenant_set_is_still_there(&cluster)
    })
}

fn spec() -> Value {
    let mut spec = spec_for_namespaces("1.37");
    let proxy = &mut spec["addons"]["kubeProxy"];
    proxy["config"]["mode"] = json!("iptables");
    proxy["config"]["metricsBindAddress"] = json!("127.0.0.1:10299");
    proxy["resources"] = json!({"requests": {"cpu": "20m"}});
    let servers = "corp.example:53 {\n  template IN A {\n    answer \"{{ .Name }} 60 IN A 192.0.2.6\"\n  }\n}";
    spec["addons"]["coreDNS"]["corefile"] = json!({
        "plugins": "    hosts {\n        192.0.2.5 db.corp\n        fallthrough\n    }",
        "servers": servers,
        "importCustom": true,
    });
    spec
}

/// What a tenant adds to the Corefile without asking anybody.
fn customise(cluster: &Kubectl, data: &Value) -> Outcome {
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": "coredns-custom", "namespace": "kube-system"},
    }))
}

fn run(cluster: &Kubectl, words: &[&str]) -> Outcome {
    cluster.run(&[words, &SYSTEM].concat()).map(drop)
}

fn core_dns(cluster: &Kubectl) -> Outcome<Value> {
    cluster.get(&[&["deployment", "coredns"][..], &SYSTEM].concat())
}

/// Before there is a node: nothing has to roll out.
fn what_is_not_asked_for_is_the_tenants(cluster: &Kubectl) -> Outcome {
    wait_until("there is cluster DNS", ROLLOUT, || core_dns(cluster).map(Look::Done))?;
    let toleration = json!([{
        "op": "add", "path": "/spec/template/spec/tolerations/-", "value": {"key": "edge", "operator": "Exists"},
    }])
    .to_string();
    for kind in ["deployment/coredns", "daemonset/kube-proxy"] {
        run(cluster, &["label", kind, "team=dns"])?;
        run(cluster, &["annotate", kind, "note=theirs"])?;
        run(cluster, &["patch", kind, "--type=json", "-p", &toleration])?;
        run(cluster, &["set", "env", kind, "GOMAXPROCS=2"])?;
    }
    run(cluster, &["scale", "deployment/coredns", "--replicas=1"])?;
    run(cluster, &["set", "resources", "deployment/coredns", "--limits=memory=200Mi"])?;
    run(cluster, &["patch", "configmap", "coredns", "-p", r#"{"data":{"Other":"theirs"}}"#])?;
    stays("what they set stays", REPAIRED, || {
        what_the_tenant_set_is_still_there(cluster)?;
        let spec = core_dns(cluster)?["spec"].take();
        let limit = text(&spec, "/template/spec/containers/0/resources/limits/memory");
        ensure(spec["replicas"] == 1 && limit == "200Mi", || spec.to_string())
    })
}

fn what_the_tenant_set_is_still_there(cluster: &Kubectl) -> Outcome {
    for kind in ["deployment/coredns", "daemonset/kube-proxy"] {
        let object = cluster.get(&[&[kind][..], &SYSTEM].concat())?;
        let pod = &object["spec"]["template"]["spec"];
        let has =
            |list: &Value, key: &str, name: &str| each(list, "").any(|one| text(one, key) == name);
        let all = object["metadata"]["labels"]["team"] == "dns"
            && object["metadata"]["annotations"]["note"] == "theirs"
            && has(&pod["tolerations"], "/key", "edge")
            && has(&pod["containers"][0]["env"], "/name", "GOMAXPROCS");
        ensure(all, || object.to_string())?;
    }
    let config = cluster.get(&[&["configmap", "coredns"][..], &SYSTEM].concat())?;
    ensure(config["data"]["Other"] == "theirs", || config.to_string())
}

fn what_is_asked_for_is_undone(tenant: &Tenant, cluster: &Kubectl) -> Outcome {
    let resources = json!({"limits": {"memory": "250Mi"}});
    let asked = json!({"coreDNS": {"replicas": 2, "resources": resources}});
    tenant.patch(&json!({"spec": {"addons": asked}}))?;
    let is_as_asked = || {
        let spec = core_dns(cluster)?["spec"].take();
        let container = &spec["template"]["spec"]["containers"][0];
        let done = spec["replicas"] == 2
            && container["resources"]["limits"]["memory"] == "250Mi"
            && text(container, "/image").starts_with("registry.k8s.io/coredns/");
        Ok(Look::done_if(done, || spec.to_string()))
    };
    wait_until("what is asked for is there", ANSWER, is_as_asked)?;
    let image = "coredns=somebody.example/else:1";
    for words in [
        &["scale", "deployment/coredns", "--replicas=1"][..],
        &["set", "resources", "deployment/coredns", "--limits=memory=200Mi"],
        &["set", "image", "deployment/coredns", image],
    ] {
        run(cluster, words)?;
        wait_until(&format!("`kubectl {}` is undone", words.join(" ")), REPAIRED, is_as_asked)?;
    }
    run(cluster, &["patch", "configmap", "coredns", "-p", r#"{"data":{"Corefile":""}}"#])?;
    wait_until("the Corefile is ours again", REPAIRED, || {
        let config = cluster.get(&[&["configmap", "coredns"][..], &SYSTEM].concat())?;
        let corefile = text(&config, "/data/Corefile").to_owned();
        Ok(Look::done_if(corefile.contains("db.corp"), || corefile))
    })
}

fn join(tenant: &Tenant, cluster: &Kubectl, name: &str) -> Outcome<Machine> {
    let machine = Machine::add(&format!("ring-addons-{name}"), "1.37")?;
    for archive in images::resolve(&local_path_provisioner_reference()?)? {
        machine.load(&archive)?;
    }
    machine.join(&tenant.token(name, "1h")?.secret()?)?;
    machine.await_ready(cluster, NODE_READY)?;
    Ok(machine)
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn addons_run_as_wanted(cluster: &Kubectl, machines: &[Machine]) -> Outcome {
    for (label, cpu, memory) in
        [("k8s-app=kube-dns", "100m", "250Mi"), ("k8s-app=kube-proxy", "20m", "")]
    {
        wait_until(&format!("two pods of {label} are ready"), ROLLOUT, || {
            let pods = cluster.list(&[&["pods", "-l", label][..], &SYSTEM].concat())?;
            let is_ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
            let is_wanted = |pod: &Value| {
                let container = &pod["spec"]["containers"][0];
                text(container, "/resources/requests/cpu") == cpu
                    && text(container, "/resources/limits/memory") == memory
                    && each(container, "/env").any(|one| text(one, "/name") == "GOMAXPROCS")
            };
            let done = pods.iter().filter(is_ready).count() == 2 && pods.iter().all(is_wanted);
            Ok(Look::done_if(done, || json!(pods).to_string()))
        })?;
    }
    let url = "http://127.0.0.1:10299/proxyMode";
    for machine in machines {
        let mode = machine.run(&["curl", "--silent", "--max-time", "5", url])?;
        ensure_says(&mode, &["iptables"])?;
    }
    Ok(())
}

fn a_corefile_that_is_none_leaves_the_one_of_before(cluster: &Kubectl, pod: &str) -> Outcome {
    wait_until("CoreDNS refuses the Corefile", READ_AGAIN, || {
        let words = ["logs", "-l", "k8s-app=kube-dns", "--tail=-1"];
        let log = cluster.run(&[&words[..], &SYSTEM].concat())?;
        let refusals = log.matches("Corefile changed but reload failed").count();
        Ok(Look::done_if(refusals > 0, || log))
    })?;
    names_are_found(cluster, pod)
}
