//! The verbs, as functions: what the command line, the tests and the demo call.

use std::path::Path;
use std::process::Command;

use crate::components::{self, Component, NEWEST_MINOR};
use crate::error::{Error, Result};
use crate::host::namespaces::NamespacesHost;
use crate::host::{self, Host};
use crate::progress::{say, step};
use crate::state::{self, HostKind, HostRecord, Link};
use crate::{
    images, interrupt, leftovers, lock, management, network, paths, preflight, resolver, vm,
};

/// [`up_with`] one node, where there are no more.
///
/// # Errors
/// As [`up_with`].
pub fn up() -> Result<()> {
    up_with(1)
}

/// Makes the management cluster, or says that it is there, or repairs it. It has so many nodes then, or more if it
/// had more before.
///
/// # Errors
/// This machine lacks something, or a step fails; what this call had started is undone then.
pub fn up_with(nodes: usize) -> Result<()> {
    preflight::check()?;
    let _held = lock::whole_sandbox()?;
    management::up(nodes)
}

/// Removes everything: hosts, network, files. Built components and images stay in the cache.
///
/// # Errors
/// Something is left behind; the text lists it.
pub fn down() -> Result<()> {
    let held = lock::whole_sandbox()?;
    for record in state::hosts().unwrap_or_default() {
        let name = record.name.clone();
        if let Err(error) = step(format!("remove host {name}"), || host::of(record).remove()) {
            say(&format!("{error}; going on, since what is left is looked for at the end"));
        }
    }
    leftovers::clear();
    drop(held);
    paths::remove_folder(&paths::state())?;
    let left = leftovers::find();
    if !left.is_empty() {
        return Err(Error::LeftBehind(left.join("\n")));
    }
    say("The sandbox is down: no process, mount, network, cgroup or file of it is left.");
    Ok(())
}

/// Adds a machine with the kubeadm and kubelet of a Kubernetes minor, and the images of its node.
///
/// # Errors
/// The name is taken, the sandbox is not up, or the machine does not start; nothing of it is left
/// then.
pub fn add_host(name: &str, kind: HostKind, minor: Option<&str>) -> Result<Box<dyn Host>> {
    match kind {
        HostKind::Namespaces => add(name, kind, minor, Link::Open, make_namespaces_host),
        HostKind::Vm => add_virtual_machine(name, minor, vm::EMPTY_USER_DATA, Link::Open),
    }
}

/// [`add_host`] for a virtual machine with a user-data, which has run when this returns, behind a link.
///
/// # Errors
/// As [`add_host`], or a command of the user-data failed.
pub fn add_virtual_machine(
    name: &str,
    minor: Option<&str>,
    user_data: &str,
    link: Link,
) -> Result<Box<dyn Host>> {
    add(name, HostKind::Vm, minor, link, |record| vm::create(record, user_data))
}

/// Switches a virtual machine off, gives it another address, and boots it there: as a cloud does that starts it elsewhere.
///
/// # Errors
/// There is none of that name, or it does not boot.
pub fn move_virtual_machine(name: &str) -> Result<HostRecord> {
    let _held = lock::one_host()?;
    vm::move_to_another_address(name)
}

fn add(
    name: &str,
    kind: HostKind,
    minor: Option<&str>,
    link: Link,
    make: impl FnOnce(HostRecord) -> Result<Box<dyn Host>>,
) -> Result<Box<dyn Host>> {
    if network::MANAGEMENT_HOSTS.contains(&name) {
        return Err(Error::Refused(format!(
            "{name} is a node of the management cluster, which `sandbox up --nodes` makes; choose another name"
        )));
    }
    let minor = minor.unwrap_or(NEWEST_MINOR);
    Component::kubernetes(minor)?;
    if !network::namespace_path(network::SWITCH).exists() {
        return Err(Error::Refused("the sandbox is not up; run `sandbox up` first".to_owned()));
    }
    let _held = lock::one_host()?;
    let record = state::register(name, kind, minor, link)?;
    let added = step(format!("add host {name}"), || make(record.clone()));
    if added.is_err() {
        interrupt::shielded(|| undo(record));
    }
    added
}

/// Switches a machine off and removes all of it.
///
/// # Errors
/// There is none of that name, or something of it stays.
pub fn remove_host(name: &str) -> Result<()> {
    if network::MANAGEMENT_HOSTS.contains(&name) {
        return Err(Error::Refused(
            "the management hosts go with the sandbox; run `sandbox down`".to_owned(),
        ));
    }
    let _held = lock::one_host()?;
    let host = host::open(name)?;
    step(format!("remove host {name}"), || host.remove())
}

/// A command that runs kubectl with the management cluster's admin kubeconfig, in its network but
/// with this machine's files: `apply -f FILE` and `--kubeconfig FILE` work as one expects. Where there is a gateway, its
/// domain resolves.
///
/// # Errors
/// The sandbox is not up.
pub fn kubectl(words: &[String]) -> Result<Command> {
    let (kubectl, kubeconfig) = (management::kubectl(), paths::kubeconfig());
    if !kubeconfig.exists() || !kubectl.exists() {
        return Err(Error::Refused("the sandbox is not up; run `sandbox up` first".to_owned()));
    }
    let enter = network::enter(&network::namespace(network::MANAGEMENT));
    let mut command = crate::command::command(&enter);
    if let Some(resolver) = resolver::configured() {
        // For kubeconfigs that name a tenant as the gateway does.
        let script = r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#;
        command.args(["unshare", "--mount", "sh", "-c", script]).arg(resolver);
    }
    command.arg(kubectl).args(words).env("KUBECONFIG", kubeconfig);
    Ok(command)
}

/// Loads images into hosts: files (docker-archives) or references that the sandbox can make.
///
/// # Errors
/// An image is unknown, or a host refuses it.
pub fn load_images(hosts: &[Box<dyn Host>], wanted: &[String]) -> Result<()> {
    for name in wanted {
        let archives = images::resolve(name)?;
        for host in hosts {
            step(format!("load {name} into {}", host.name()), || load(host.as_ref(), &archives))?;
        }
    }
    Ok(())
}

/// Loads archives one after the other.
///
/// # Errors
/// The host refuses one, or the user interrupts.
pub fn load(host: &dyn Host, archives: &[impl AsRef<Path>]) -> Result<()> {
    for archive in archives {
        interrupt::check()?;
        host.load_image(archive.as_ref())?;
    }
    Ok(())
}

fn make_namespaces_host(record: HostRecord) -> Result<Box<dyn Host>> {
    components::ensure_all(&components::for_node(&record.kubernetes)?)?;
    let archives = images::node(&record.kubernetes)?;
    let host = NamespacesHost::create(record)?;
    load(&host, &archives)?;
    Ok(Box::new(host))
}

fn undo(record: HostRecord) {
    let name = record.name.clone();
    if let Err(error) = host::of(record).remove() {
        say(&format!("could not remove the rest of {name}: {error}; run `sandbox host rm {name}`"));
    }
}
