//! What becomes of a machine, and that it comes back.

use std::time::{Duration, Instant};

use e2e::progress::say;
use e2e::ring::kubectl::{each, text};
use e2e::ring::{Look, Outcome, ensure, ensure_says, wait_until};
use e2e::{host, images, sandbox};

use super::node::Node;
use super::{NODE_READY, used};

/// kube-controller-manager takes a node for lost that it has not heard of for 50 s, and tells the tenant's owner.
const LOST: Duration = Duration::from_mins(3);
/// The kubelet looks at its disk every 10 s.
const NOTICED: Duration = Duration::from_mins(2);
/// More than any certificate of a node or an API server lives on.
const AHEAD: &str = "+400 days";
const FILLER: &str = "/var/filler";

/// Switched off and on: the node is the same, and so is its pod.
pub fn rebooted(node: &Node<'_, '_>) -> Outcome {
    let (before, began) = (Before::of(node)?, Instant::now());
    node.machine.reboot()?;
    before.has_booted_again(node)?;
    is_well_since("rebooted", began, node)?;
    before.is_the_same(node)
}

/// Switched off, and on at another address: as after a new lease, or where a cloud starts it elsewhere.
pub fn moved(node: &mut Node<'_, '_>) -> Outcome {
    let (before, left, began) = (Before::of(node)?, node.machine.address(), Instant::now());
    node.machine.move_elsewhere()?;
    let address = node.machine.address();
    ensure(address != left, || format!("it is still at {left}"))?;
    before.has_booted_again(node)?;
    wait_until(&format!("its node is at {address}"), NODE_READY, || {
        let object = node.object()?;
        let mut addresses = each(&object, "/status/addresses");
        let found = addresses.find(|one| text(one, "/type") == "InternalIP");
        let found = found.map_or("", |one| text(one, "/address"));
        Ok(Look::done_if(found == address, || format!("it says {found}")))
    })?;
    is_well_since("moved", began, node)?;
    before.is_the_same(node)
}

/// A kubelet that starts by such a clock believes nobody. The doctor has the command that mends it.
pub fn with_a_wrong_clock(node: &Node<'_, '_>) -> Outcome {
    let (machine, before) = (&node.machine, Before::of(node)?);
    machine.run(&["date", "--utc", "--set", AHEAD])?;
    machine.run(&["systemctl", "restart", "kubelet"])?;
    let words = [machine.name(), "not heard of since", "the machine or its kubelet is down"];
    let told = node.tenant.await_words("NodesReady", "NotReady", &words, LOST)?;
    say(&format!("with a clock that is 400 days ahead: {}", told.message));
    let said = node.doctor()?;
    said.says("clock", "failed", "ahead of the API server's: its certificate")?;
    let mend = said.mend("clock")?;
    say(&format!("the doctor: {mend}"));
    machine.run(&["sh", "-c", &mend])?;
    is_well_since("its clock right", Instant::now(), node)?;
    before.is_the_same(node)
}

/// The kubelet evicts what it may. What the node itself needs stays, and so it can be looked at through the tunnel.
pub fn with_a_full_disk(node: &Node<'_, '_>) -> Outcome {
    let machine = &node.machine;
    let lost = Node::uid(&used::pod(node.cluster, machine)?);
    let fill = format!(
        "fallocate -l $(($(df --output=avail -B1 /var/lib/kubelet | tail -n 1) - 300000000)) {FILLER}"
    );
    machine.run(&["sh", "-c", &fill])?;
    node.doctor()?.says("disk-space", "warning", "kubelets want 10% (nodefs.available)")?;
    awaits_pressure(node, "True")?;
    let label = format!("app={}", machine.name());
    wait_until("its pod is evicted", NOTICED, || {
        let pods = node.cluster.list(&["pods", "-l", &label])?;
        let mut evicted = pods.iter().filter(|pod| text(pod, "/status/reason") == "Evicted");
        Ok(Look::done_if(evicted.any(|pod| Node::uid(pod) == lost), || {
            format!("{} pods", pods.len())
        }))
    })?;
    // Its node is Ready: that a disk is full, the node says by itself.
    let told = node.tenant.condition("NodesReady")?;
    say(&format!("with a full disk: {} {}", told.status, told.message));
    ensure_says(&told.message, &["2 of 2 nodes are ready"])?;
    ensure_says(&log_of_its_agent(node)?, &["\n"])?;
    let said = node.doctor()?;
    said.says("disk-space", "warning", "lose those it has")?;
    say(&format!("the doctor: {}", said.mend("disk-space")?));
    machine.run(&["rm", FILLER])?;
    let freed = Instant::now();
    // The kubelet took the images that nothing ran, and nothing can be pulled here.
    let gone = [images::NGINX, images::BUSYBOX].map(str::to_owned);
    sandbox::load_images(&[host::open(machine.name())?], &gone)?;
    awaits_pressure(node, "False")?;
    is_well_since("its disk freed", freed, node)
}

fn is_well_since(what: &str, began: Instant, node: &Node<'_, '_>) -> Outcome {
    node.is_well()?;
    say(&format!("{what}: all is well after {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

fn awaits_pressure(node: &Node<'_, '_>, wanted: &str) -> Outcome {
    wait_until(&format!("DiskPressure is {wanted}"), NOTICED, || {
        let found = node.condition("DiskPressure")?;
        Ok(Look::done_if(found.status == wanted, || format!("{found:?}")))
    })
}

fn log_of_its_agent(node: &Node<'_, '_>) -> Outcome<String> {
    let on = format!("spec.nodeName={}", node.machine.name());
    let of = ["pods", "-n", "kube-system", "-l", "k8s-app=konnectivity-agent", "--field-selector"];
    let pods = node.cluster.list(&[&of[..], &[&on]].concat())?;
    let name = pods.first().map_or("", |pod| text(pod, "/metadata/name"));
    node.cluster.run(&["logs", "-n", "kube-system", name, "--tail=1"])
}

/// What of a node and its pod stays the same, if neither is made anew.
struct Before {
    node: String,
    pod: String,
    boot: String,
}

impl Before {
    fn of(node: &Node<'_, '_>) -> Outcome<Self> {
        let object = node.object()?;
        let pod = used::pod(node.cluster, &node.machine)?;
        Ok(Self {
            node: Node::uid(&object),
            pod: Node::uid(&pod),
            boot: object["status"]["nodeInfo"]["bootID"].to_string(),
        })
    }

    /// Before the kubelet has said so, `Ready` is an old word.
    fn has_booted_again(&self, node: &Node<'_, '_>) -> Outcome {
        wait_until("the node has booted again", NODE_READY, || {
            let now = node.object()?["status"]["nodeInfo"]["bootID"].to_string();
            Ok(Look::done_if(now != self.boot, || format!("its boot ID is still {now}")))
        })
    }

    fn is_the_same(&self, node: &Node<'_, '_>) -> Outcome {
        let now = Self::of(node)?;
        ensure(now.node == self.node, || "its node was made anew".to_owned())?;
        ensure(now.pod == self.pod, || "its pod was evicted".to_owned())
    }
}
