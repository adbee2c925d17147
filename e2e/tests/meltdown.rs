//! Nodes that are all cut off from their API server at once are left alone, with their pods and endpoints, and are looked
//! after again when they are back; of two, one that is cut off is for Kubernetes to judge.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use e2e::command::{command, output};
use e2e::network;
use e2e::progress::say;
use e2e::ring::kubectl::{each, name, text};
use e2e::ring::tenant::condition;
use e2e::ring::{
    Failure, Kubectl, Look, Machine, Outcome, Project, Tenant, ensure, scenario, stays, wait_until,
    workload,
};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
/// Twice as long as kube-controller-manager lets a node be silent (`--node-monitor-grace-period`), and its look.
const TWICE_THE_GRACE: Duration = Duration::from_secs(110);
/// The grace, with all that may come before it.
const MARKED: Duration = Duration::from_secs(90);
/// Kubelets find their way back, stay for half a minute, and kube-controller-manager starts.
const BACK: Duration = Duration::from_mins(3);
const SIGNED: Duration = Duration::from_secs(30);
const CUT_OFF: &str = "NodesCutOff";

#[test]
fn nodes_that_are_cut_off_together_keep_their_pods_and_one_alone_is_marked() -> Outcome {
    scenario("meltdown", |project| {
        let stage = Stage::set(project)?;
        let both: Vec<&Machine> = stage.machines.iter().collect();
        let before = stage.picture()?;
        let cut = Cut::make(&both, &stage.port)?;
        stays("both nodes stay Ready, and their pods", TWICE_THE_GRACE, || stage.is_as(&before))?;
        let told = stage.tenant.condition(CUT_OFF)?;
        ensure(told.status == "True", || format!("{told:?}"))?;
        say(&format!("  ✓ {}: {}", told.reason, told.message));
        signs(&stage.cluster)?;
        cut.mend()?;
        stage.tenant.await_condition(CUT_OFF, "False", BACK)?;
        stage.tenant.settles(BACK)?;
        stage.is_as(&before)?;
        one_alone_is_marked(&stage)
    })
}

fn one_alone_is_marked(stage: &Stage) -> Outcome {
    let (manager, last) = (stage.controller_manager()?, &stage.machines[1]);
    let cut = Cut::make(&[last], &stage.port)?;
    wait_until(&format!("{} is marked", last.name()), MARKED, || {
        let node = stage.cluster.get(&["node", last.name()])?;
        let ready = condition(&node, "Ready")?;
        Ok(Look::done_if(ready.status == "Unknown", || format!("{ready:?}")))
    })?;
    let told = stage.tenant.condition(CUT_OFF)?;
    ensure(told.status == "False", || format!("{told:?}"))?;
    let now = stage.controller_manager()?;
    ensure(manager == now, || "kube-controller-manager was replaced".to_owned())?;
    cut.mend()?;
    last.await_ready(&stage.cluster, BACK)
}

/// A tenant with two nodes that serve a page.
struct Stage<'p> {
    tenant: Tenant<'p>,
    cluster: Kubectl,
    machines: Vec<Machine>,
    port: String,
}

impl<'p> Stage<'p> {
    fn set(project: &'p Project) -> Outcome<Self> {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let secret = tenant.token("nodes", "1h")?.secret()?;
        let cluster = tenant.admin()?;
        let mut machines = Vec::new();
        for name in ["ring-melt1", "ring-melt2"] {
            let machine = Machine::add(name, "1.37")?;
            machine.join(&secret)?;
            machine.await_ready(&cluster, NODE_READY)?;
            machines.push(machine);
        }
        workload::deploy(&cluster)?;
        wait_until("all pods are ready", NODE_READY, || {
            let pods = cluster.list(&["pods", "--all-namespaces"])?;
            let waiting = pods.iter().map(line).find(|one| !one.ends_with(": True"));
            Ok(Look::done_if(waiting.is_none(), || waiting.unwrap_or_default()))
        })?;
        tenant.await_nodes(2)?;
        // kube-controller-manager takes a new node's taint off some time after it is Ready.
        wait_until("no node has a taint", NODE_READY, || {
            let nodes = cluster.list(&["nodes"])?;
            let tainted = nodes.iter().find(|node| !node["spec"]["taints"].is_null());
            Ok(Look::done_if(tainted.is_none(), || format!("{tainted:?}")))
        })?;
        let port = secret.endpoint.rsplit_once(':').map(|(_, port)| port.to_owned());
        let port = port.ok_or_else(|| Failure::new(format!("{} has no port", secret.endpoint)))?;
        Ok(Self { tenant, cluster, machines, port })
    }

    /// Which pods there are, each with its node, and who is behind the page.
    fn picture(&self) -> Outcome<Vec<String>> {
        let pods = self.cluster.list(&["pods", "--all-namespaces"])?;
        let mut seen: Vec<String> = pods.iter().map(line).collect();
        let of_page = ["endpointslices", "-l", "kubernetes.io/service-name=web"];
        for slice in self.cluster.list(&of_page)? {
            seen.extend(each(&slice, "/endpoints").map(|one| {
                format!(
                    "{} of {} is ready: {}",
                    one["addresses"],
                    name(&slice),
                    one["conditions"]["ready"]
                )
            }));
        }
        ensure(seen.iter().any(|one| one.ends_with("is ready: true")), || format!("{seen:#?}"))?;
        Ok(seen)
    }

    fn is_as(&self, before: &[String]) -> Outcome {
        for machine in &self.machines {
            let node = self.cluster.get(&["node", machine.name()])?;
            let ready = condition(&node, "Ready")?;
            let marks = &node["spec"]["taints"];
            ensure(ready.status == "True" && marks.is_null(), || {
                format!("node {} is {ready:?}, with taints {marks}", machine.name())
            })?;
        }
        let now = self.picture()?;
        ensure(now == before, || format!("what was {before:#?} is {now:#?}"))
    }

    /// UID of its pod.
    fn controller_manager(&self) -> Outcome<String> {
        let pod = ["pod", "-n", &self.tenant.plane()?, "kube-controller-manager-0"];
        Ok(text(&self.tenant.project.management.get(&pod)?, "/metadata/uid").to_owned())
    }
}

fn line(pod: &Value) -> String {
    let ready = each(pod, "/status/conditions").find(|one| text(one, "/type") == "Ready");
    format!(
        "{} {} on {}: {}{}",
        name(pod),
        text(pod, "/metadata/uid"),
        text(pod, "/spec/nodeName"),
        ready.map_or("", |ready| text(ready, "/status")),
        text(pod, "/metadata/deletionTimestamp"),
    )
}

/// kube-controller-manager signs what was approved.
fn signs(cluster: &Kubectl) -> Outcome {
    let request = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=somebody";
    let pem = output(&mut command(&["sh", "-c", &format!("{request} 2>/dev/null")]))?;
    let name = "somebody";
    cluster.apply(&json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": BASE64.encode(pem), "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client",
        },
    }))?;
    cluster.run(&["certificate", "approve", name])?;
    wait_until("a certificate is signed meanwhile", SIGNED, || {
        let found = cluster.get(&["csr", name])?;
        Ok(Look::done_if(found["status"]["certificate"].is_string(), || {
            found["status"].to_string()
        }))
    })
}

/// Packets from machines to an API server that are dropped where they arrive, until this is mended or dropped itself.
struct Cut(Vec<Vec<String>>);

impl Cut {
    fn make(machines: &[&Machine], port: &str) -> Outcome<Self> {
        // Before kube-proxy's translation, where the port is still the endpoint's.
        let rule = |machine: &Machine| {
            let from = [
                "PREROUTING",
                "-p",
                "tcp",
                "-s",
                &machine.address(),
                "--dport",
                port,
                "-j",
                "DROP",
            ]
            .map(str::to_owned);
            from.to_vec()
        };
        let mut cut = Self(Vec::new());
        for machine in machines {
            iptables("-I", &rule(machine))?;
            cut.0.push(rule(machine));
        }
        Ok(cut)
    }

    fn mend(mut self) -> Outcome {
        std::mem::take(&mut self.0).iter().try_for_each(|rule| iptables("-D", rule))
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        for rule in &self.0 {
            if let Err(failure) = iptables("-D", rule) {
                say(&format!("packets stay dropped: {failure}"));
            }
        }
    }
}

fn iptables(action: &str, rule: &[String]) -> Outcome {
    let mut words = network::enter(&network::namespace(network::MANAGEMENT));
    words.extend(["iptables", "-w", "-t", "raw", action].map(str::to_owned));
    words.extend_from_slice(rule);
    Ok(output(&mut command(&words)).map(drop)?)
}
