//! Pid 1 of a namespaces host: keeps containerd and the kubelet running, as systemd does.
//!
//! The kubelet runs exactly when kubeadm's systemd drop-in lets it live: it has a configuration and
//! a kubeconfig or bootstrap kubeconfig, and kubeadm has not stopped it (see `systemctl.sh`).

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{WaitOptions, wait};

use super::cni;
use super::routes::{self, Routes};
use super::service::Service;
use crate::command::command;
use crate::error::Result;
use crate::paths;
use crate::state::HostRecord;

/// How often the files that decide what runs are looked at.
const TICK: Duration = Duration::from_millis(50);

const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
const BOOTSTRAP_KUBECONFIG: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
const STOPPED: &str = "/run/nagaya/kubelet.stopped";
/// Files of environment variables that the drop-in reads, in its order, and the variable.
const KUBELET_FLAGS: [(&str, &str); 2] = [
    ("/var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS"),
    ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS"),
];

/// Supervises for as long as the host is on; writes `ready` once containerd answers.
///
/// # Errors
/// The mark cannot be written.
pub fn run(host: &HostRecord, ready: &Path) -> Result<()> {
    let mut containerd = Service::new("containerd");
    let mut kubelet = Service::new("kubelet");
    let mut network = Network::new(host);
    let mut is_ready = false;
    loop {
        reap(&mut [&mut containerd, &mut kubelet, &mut network.service]);
        survive(containerd.keep(true, || command(&["containerd"])));
        if is_ready {
            survive(kubelet.keep(kubelet_wanted(), kubelet_command));
            survive(network.keep());
        } else if containerd_answers() {
            paths::write_whole(ready, b"")?;
            is_ready = true;
        }
        thread::sleep(TICK);
    }
}

/// When pid 1 ends, so does the machine: a service that cannot be started is tried again instead.
fn survive(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("{error}");
    }
}

/// Takes the exit of every ended process, of services and of orphans alike.
fn reap(services: &mut [&mut Service]) {
    while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
        for service in &mut *services {
            service.ended(pid);
        }
    }
}

fn containerd_answers() -> bool {
    // containerd listens only once its plug-ins are there.
    UnixStream::connect("/run/containerd/containerd.sock").is_ok()
}

fn kubelet_wanted() -> bool {
    let exists = |path: &str| Path::new(path).exists();
    exists(KUBELET_CONFIG)
        && (exists(cni::KUBECONFIG) || exists(BOOTSTRAP_KUBECONFIG))
        && !exists(STOPPED)
}

fn kubelet_command() -> Command {
    let mut kubelet = command(&["kubelet"]);
    kubelet.arg(format!("--bootstrap-kubeconfig={BOOTSTRAP_KUBECONFIG}"));
    kubelet.arg(format!("--kubeconfig={}", cni::KUBECONFIG));
    kubelet.arg(format!("--config={KUBELET_CONFIG}"));
    for (file, variable) in KUBELET_FLAGS {
        let text = fs::read_to_string(file).unwrap_or_default();
        kubelet.args(flags(&text, variable));
    }
    kubelet
}

/// The words of a variable in a systemd `EnvironmentFile`.
fn flags(text: &str, variable: &str) -> Vec<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(variable)?.strip_prefix('='));
    let value = value.unwrap_or_default().trim().trim_matches('"');
    value.split_whitespace().map(str::to_owned).collect()
}

/// The pod network's configuration: written after each join, gone after a `kubeadm reset`.
struct Network {
    service: Service,
    host: HostRecord,
    configured_for: Option<SystemTime>,
    routes: Routes,
}

impl Network {
    fn new(host: &HostRecord) -> Self {
        let (service, host) = (Service::new("network"), host.clone());
        Self { service, host, configured_for: None, routes: Routes::default() }
    }

    fn keep(&mut self) -> Result<()> {
        let Some(joined) = modified(cni::KUBECONFIG) else {
            if self.configured_for.take().is_some() {
                self.forget();
            }
            return Ok(());
        };
        if self.configured_for == Some(joined) {
            self.routes.follow(self.host.address);
            return Ok(());
        }
        if self.service.is_running() {
            return Ok(());
        }
        if modified(cni::CONFIG).is_some_and(|written| written > joined) {
            self.configured_for = Some(joined);
            return Ok(());
        }
        let (name, address) = (&self.host.name, self.host.address.to_string());
        // This very program, whose file is outside the host's root.
        self.service.keep(true, || command(&["/proc/1/exe", super::NETWORK_VERB, name, &address]))
    }

    /// A node that leaves its cluster may get another podCIDR from the next.
    fn forget(&mut self) {
        self.routes.clear();
        routes::withdraw(&Path::new("/").join(routes::INSIDE), &self.host.name);
        // None of it there is as good.
        let _ = fs::remove_file(cni::CONFIG);
        let _ = fs::remove_dir_all("/var/lib/cni/networks");
        let _ = command(&["ip", "link", "delete", "cni0"]).spawn();
    }
}

fn modified(path: &str) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_that_kubeadm_writes_are_read() {
        let text = "KUBELET_KUBEADM_ARGS=\"--node-ip=1.2.3.4 --v=2\"\n";
        assert_eq!(flags(text, "KUBELET_KUBEADM_ARGS"), ["--node-ip=1.2.3.4", "--v=2"]);
    }

    #[test]
    fn a_missing_variable_gives_no_flags() {
        assert!(flags("OTHER=1\n", "KUBELET_EXTRA_ARGS").is_empty());
    }
}
