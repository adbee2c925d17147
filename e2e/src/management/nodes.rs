//! Further nodes of the management cluster: namespaces hosts that join it with stock `kubeadm join`, each node in a
//! zone of its own.

use std::fs;
use std::path::Path;

use super::{BIRTH, await_ready, complete_mark, keep_logs, recorded, remove};
use crate::command::{output, run};
use crate::components::{self, NEWEST_MINOR};
use crate::error::{Error, IoContext, Result};
use crate::host::namespaces::NamespacesHost;
use crate::host::{self, Host};
use crate::kubectl::kubectl;
use crate::network::{MANAGEMENT, MANAGEMENT_HOSTS};
use crate::progress::{say, step};
use crate::state::{self, HostKind, Link};
use crate::{interrupt, paths};

/// The zones of [`MANAGEMENT_HOSTS`].
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// All images that the first node has, whoever loaded them. containerd lists each by its digests too.
const EXPORT: &str = "ctr --namespace k8s.io images ls --quiet | grep --invert-match sha256: | \
                      xargs ctr --namespace k8s.io images export /root/images.tar";
/// What [`EXPORT`] writes, below the root of the host.
const EXPORTED: &str = "root/root/images.tar";

/// Adds nodes until there are so many, and returns how many were added.
///
/// # Errors
/// A step fails; nothing of the node that it was about is left then.
pub(super) fn complete(wanted: usize) -> Result<usize> {
    let there = recorded()?;
    let is_missing = |name: &&str| !there.iter().any(|record| record.name == **name);
    let missing: Vec<&str> = MANAGEMENT_HOSTS.into_iter().take(wanted).filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    step("components of the further nodes", || {
        components::ensure_all(&components::for_node(NEWEST_MINOR)?)
    })?;
    // A cluster of one node has no zones.
    label_zone(MANAGEMENT)?;
    let exported = paths::host(MANAGEMENT).join(EXPORTED);
    let added = add_all(&missing, &exported);
    // Not there is as good: the export itself may have failed.
    let _ = fs::remove_file(&exported);
    added?;
    step("spread CoreDNS", spread_core_dns)?;
    step("nodes Ready, CoreDNS and storage running", await_ready)?;
    Ok(missing.len())
}

/// Removes what an `up` that did not get to its end has left of further nodes.
pub(super) fn clear_half_made() -> Result<()> {
    let half_made = recorded()?.into_iter().filter(|record| !complete_mark(&record.name).exists());
    half_made.into_iter().try_for_each(|record| remove(&record.name))
}

fn add_all(names: &[&str], images: &Path) -> Result<()> {
    step("export the images of the management host", || on_first(&["sh", "-c", EXPORT]))?;
    names.iter().try_for_each(|name| {
        let added = step(format!("management host {name}"), || add(name, images));
        added.inspect_err(|error| interrupt::shielded(|| undo(name, error)))
    })
}

fn add(name: &str, images: &Path) -> Result<()> {
    let record = state::register(name, HostKind::Namespaces, NEWEST_MINOR, Link::Open)?;
    let host = step("host with containerd", || NamespacesHost::create(record))?;
    step("load the images", || host.load_image(images))?;
    step("kubeadm join", || join(&host))?;
    label_zone(name)?;
    fs::write(complete_mark(name), b"").doing(|| format!("mark {name} as complete"))
}

fn join(host: &NamespacesHost) -> Result<()> {
    // One that joined, and was removed before it was complete.
    kubectl(&["delete", "node", host.name(), "--ignore-not-found"])?;
    let command = on_first(&["kubeadm", "token", "create", "--ttl=10m", "--print-join-command"])?;
    let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    // cgroup v1, and a kernel without /boot/config.
    words.push("--ignore-preflight-errors=SystemVerification".to_owned());
    run(&mut host.exec(&words)?)?;
    // kubeadm is done when the kubelet has its certificate, which is before the kubelet makes its node.
    let node = format!("node/{}", host.name());
    ["--for=create", "--for=condition=Ready"]
        .into_iter()
        .try_for_each(|state| kubectl(&["wait", state, &node, BIRTH]).map(drop))
}

fn label_zone(node: &str) -> Result<()> {
    let zones = MANAGEMENT_HOSTS.iter().zip(ZONES);
    zones.filter(|(name, _)| **name == node).try_for_each(|(_, zone)| {
        let label = format!("topology.kubernetes.io/zone={zone}");
        kubectl(&["label", "node", node, &label, "--overwrite"]).map(drop)
    })
}

/// Both replicas were started on the first node; kubeadm's documentation advises this after the first join.
fn spread_core_dns() -> Result<()> {
    kubectl(&["rollout", "restart", "-n", "kube-system", "deployment/coredns"]).map(drop)
}

fn on_first(words: &[&str]) -> Result<String> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    output(&mut host::open(MANAGEMENT)?.exec(&words)?)
}

fn undo(name: &str, error: &Error) {
    keep_logs(error, name);
    let words = ["delete", "node", name, "--ignore-not-found", "--request-timeout=10s"];
    for error in [kubectl(&words).map(drop), remove(name)].into_iter().filter_map(Result::err) {
        say(&format!("{error}; run `sandbox down`"));
    }
}
