//! The management cluster: one namespaces host, stock `kubeadm init`, a default storage class; on request further
//! hosts that join it ([`nodes`]).

mod nodes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{command, feed, output, run};
use crate::components::{self, Component, NEWEST_MINOR};
use crate::error::{Error, IoContext, Result};
use crate::host::namespaces::NamespacesHost;
use crate::host::{self, Host, Service};
use crate::network::{self, MANAGEMENT, MANAGEMENT_ADDRESS, MANAGEMENT_HOSTS};
use crate::progress::{say, seconds, step};
use crate::state::{self, HostKind, HostRecord, Link};
use crate::{images, interrupt, kubectl::kubectl as ask, paths, sandbox};

/// How long a rebooted cluster may take to be itself again.
const RECOVERY: Duration = Duration::from_mins(3);
/// How long one step of the cluster's birth may take, for `kubectl` and `kubeadm`.
const BIRTH: &str = "--timeout=180s";

/// Makes the cluster, or says that it is there, or repairs it; then adds the nodes that it lacks to have so many. It
/// keeps those that it has.
///
/// # Errors
/// A step fails; what this call had started is undone then, the hosts' logs are kept.
pub fn up(nodes: usize) -> Result<()> {
    let started = Instant::now();
    let nodes = nodes.max(recorded()?.len());
    let was_there = repaired()?;
    let made = if was_there { Ok(()) } else { make() };
    match made.and_then(|()| nodes::complete(nodes)) {
        Ok(0) if was_there => say("The management cluster is up:"),
        Ok(_) => {
            say(&format!("The management cluster is up after {}:", seconds(started.elapsed())));
        }
        Err(error) => {
            if !was_there {
                interrupt::shielded(|| undo(&error));
            }
            return Err(error);
        }
    }
    say("  sandbox kubectl get pods -A       sandbox host add vm1       sandbox down");
    Ok(())
}

/// The hosts of the cluster's nodes, the one with its API server first.
///
/// # Errors
/// The state cannot be read.
pub fn hosts() -> Result<Vec<Box<dyn Host>>> {
    let mut records = recorded()?;
    records.retain(|record| complete_mark(&record.name).exists());
    Ok(records.into_iter().map(host::of).collect())
}

/// Whether the cluster answers and all its nodes are Ready.
#[must_use]
pub fn is_healthy() -> bool {
    let ready = "{.status.conditions[?(@.type==\"Ready\")].status}";
    let path = format!("jsonpath={{range .items[*]}}{{.metadata.name}}={ready}{{\"\\n\"}}{{end}}");
    let answer = ask(&["get", "nodes", "--request-timeout=10s", "-o", &path]).unwrap_or_default();
    let is_ready = |name: &str| answer.lines().any(|line| line == format!("{name}=True"));
    let all = hosts().is_ok_and(|hosts| hosts.iter().all(|host| is_ready(host.name())));
    is_ready(MANAGEMENT) && all
}

/// The management hosts there are, half-made ones too.
fn recorded() -> Result<Vec<HostRecord>> {
    let mut all = state::hosts()?;
    all.retain(|record| MANAGEMENT_HOSTS.contains(&record.name.as_str()));
    all.sort_by_key(|record| record.address);
    Ok(all)
}

/// The kubectl of the management host, as a file of this machine.
#[must_use]
pub fn kubectl() -> PathBuf {
    paths::host(MANAGEMENT).join("usr/bin/kubectl")
}

/// The mark that the node was once complete: without it there is nothing to repair.
fn complete_mark(host: &str) -> PathBuf {
    paths::host(host).join("complete")
}

/// Finds the cluster well, or gets it well by switching dead hosts on again; clears a broken one
/// away.
fn repaired() -> Result<bool> {
    let hosts = state::hosts()?;
    if !hosts.iter().any(|record| record.name == MANAGEMENT) {
        clear(None)?;
        return Ok(false);
    }
    if !complete_mark(MANAGEMENT).exists() {
        clear(Some("the last `up` did not get to its end: starting afresh"))?;
        return Ok(false);
    }
    nodes::clear_half_made()?;
    network::make_switch()?;
    if recovered(state::hosts()?)? {
        return Ok(true);
    }
    clear(Some("the management cluster does not recover: starting afresh"))?;
    Ok(false)
}

/// Switches on what went off and waits for the cluster, if there is anything to wait for.
fn recovered(hosts: Vec<HostRecord>) -> Result<bool> {
    let mut was_off = false;
    for record in hosts {
        let (name, host) = (record.name.clone(), host::of(record));
        if host.is_running() {
            continue;
        }
        was_off |= MANAGEMENT_HOSTS.contains(&name.as_str());
        let switched = step(format!("switch on host {name}, which was off"), || host.boot());
        interrupt::check()?;
        if let Err(error) = switched {
            say(&error.to_string());
            if name == MANAGEMENT {
                return Ok(false);
            }
        }
    }
    if !was_off && is_healthy() {
        return Ok(true);
    }
    let recovered = step("wait for the management cluster to recover", recovery).is_ok();
    interrupt::check()?;
    Ok(recovered)
}

fn recovery() -> Result<()> {
    let deadline = Instant::now() + RECOVERY;
    while !is_healthy() {
        interrupt::check()?;
        if Instant::now() > deadline {
            return Err(Error::Timeout {
                what: "the recovery of the management cluster".to_owned(),
                seconds: RECOVERY.as_secs(),
                hint: "see `sandbox logs`".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    await_ready()
}

/// Removes the management hosts, if there is any of them.
fn clear(reason: Option<&str>) -> Result<()> {
    if let Some(reason) = reason {
        say(reason);
    }
    MANAGEMENT_HOSTS.iter().rev().try_for_each(|name| remove(name))
}

fn remove(name: &str) -> Result<()> {
    if paths::host(name).exists() || state::host(name).is_ok() {
        let host = state::host(name).map(host::of);
        return host.and_then(|host| {
            step(format!("remove the old management host {name}"), || host.remove())
        });
    }
    Ok(())
}

fn make() -> Result<()> {
    step("components of the management cluster", || {
        components::ensure_all(&components::for_management(NEWEST_MINOR)?)
    })?;
    let archives = step("images of the management cluster", images::management)?;
    let more = step("images of tenants' control planes", || images::control_plane(NEWEST_MINOR))?;
    step("network", network::make_switch)?;
    let record = state::register(MANAGEMENT, HostKind::Namespaces, NEWEST_MINOR, Link::Open)?;
    let host = step("management host with containerd", || NamespacesHost::create(record))?;
    step("load the images", || sandbox::load(&host, &archives))?;
    step("kubeadm init", || kubeadm_init(&host))?;
    step("default storage class", apply_storage)?;
    step("load the images of tenants' control planes", || sandbox::load(&host, &more))?;
    step("node Ready, CoreDNS and storage running", await_ready)?;
    fs::write(complete_mark(MANAGEMENT), b"").doing(|| "mark the cluster as complete".to_owned())
}

fn kubeadm_init(host: &NamespacesHost) -> Result<()> {
    let config = include_str!("../manifests/kubeadm-management.yaml")
        .replace("@ADDRESS@", &MANAGEMENT_ADDRESS.to_string())
        .replace("@NAME@", MANAGEMENT)
        .replace("@VERSION@", &Component::kubernetes(NEWEST_MINOR)?.version()?)
        .replace("@ETCD@", &images::etcd_tag()?);
    let folder = paths::host(MANAGEMENT).join("root/root");
    paths::write_whole(&folder.join("kubeadm.yaml"), config.as_bytes())?;
    let words = ["kubeadm", "init", "--config=/root/kubeadm.yaml"].map(str::to_owned);
    let text = output(&mut host.exec(&words)?)?;
    paths::write_whole(&folder.join("kubeadm-init.log"), text.as_bytes())?;
    export_kubeconfig()
}

/// The administrator's kubeconfig, readable by root only.
fn export_kubeconfig() -> Result<()> {
    let etc = paths::host(MANAGEMENT).join("etc/kubernetes/admin.conf");
    paths::write_whole(&paths::kubeconfig(), &fs::read(&etc).on("read", &etc)?)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(paths::kubeconfig(), mode).on("protect", &paths::kubeconfig())
}

fn apply_storage() -> Result<()> {
    let words = ["apply", "--server-side", "-f", "-"].map(str::to_owned);
    let manifest = include_str!("../../manifests/samples/local-path-storage.yaml");
    feed(&mut sandbox::kubectl(&words)?, manifest.as_bytes()).map(drop)
}

fn await_ready() -> Result<()> {
    let waits = [
        vec!["wait", "--for=condition=Ready", "nodes", "--all", BIRTH],
        vec!["rollout", "status", "-n", "kube-system", "daemonset/kube-proxy", BIRTH],
        vec!["rollout", "status", "-n", "kube-system", "deployment/coredns", BIRTH],
        vec!["rollout", "status", "-n", "local-path-storage", "deployment", BIRTH],
    ];
    for words in waits {
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        run(&mut sandbox::kubectl(&words)?)?;
    }
    Ok(())
}

/// After a failed or interrupted start: nothing stays but, after a failure, the logs.
fn undo(error: &Error) {
    keep_logs(error, MANAGEMENT);
    let cleared = clear(None);
    let alone = state::hosts().is_ok_and(|hosts| hosts.is_empty());
    let removed = if alone { network::remove_namespace(network::SWITCH) } else { Ok(()) };
    for error in [cleared, removed].into_iter().filter_map(Result::err) {
        say(&format!("{error}; run `sandbox down`"));
    }
}

/// Of a host that failed and is about to be removed.
fn keep_logs(error: &Error, host: &str) {
    let Ok(record) = state::host(host) else { return };
    if matches!(error, Error::Interrupted) {
        return;
    }
    let to = paths::state().join("last-failure");
    match copy_logs(record, &to) {
        Ok(()) => say(&format!("What was started is removed; its logs are in {}", to.display())),
        Err(error) => say(&format!("the logs of {host} are lost: {error}")),
    }
}

fn copy_logs(record: HostRecord, to: &Path) -> Result<()> {
    let pods = paths::host(&record.name).join("root/var/log/pods");
    let host = NamespacesHost::new(record);
    paths::make_folder(to)?;
    for service in [Service::Containerd, Service::Kubelet] {
        let from = host.log_path(service);
        if from.exists() {
            copy(&from, &to.join(format!("{}.log", service.name())))?;
        }
    }
    run(command(&["cp", "--recursive"]).arg(pods).arg(to))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).on("keep", from)
}
