//! What is seen of the machine itself.

use std::fs;
use std::path::Path;

use super::{disk, kernel, programs, runtime};
use crate::facts::{Machine, Unit};
use crate::{Arguments, Ground};

/// The kubelet's own API.
const PORT: u16 = 10250;
/// The first three kubeadm refuses, the last the kubelet would go on with.
const LEFTOVERS: [&str; 4] = [
    "etc/kubernetes/kubelet.conf",
    "etc/kubernetes/bootstrap-kubelet.conf",
    "etc/kubernetes/pki/ca.crt",
    "var/lib/kubelet/pki/kubelet-client-current.pem",
];
const CONTROL_PLANE: [&str; 2] = ["etc/kubernetes/admin.conf", "etc/kubernetes/pki/ca.key"];
/// Of static pods, as kubeadm's control planes are.
const MANIFESTS: &str = "etc/kubernetes/manifests";
const UNIT_FOLDERS: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];

pub fn machine(join: &Arguments, ground: &Ground) -> Machine {
    let root = ground.root.as_path();
    let host_name = kernel::read(root, "proc/sys/kernel/hostname").unwrap_or_default();
    let sysctl = |path| kernel::switch(root, path);
    Machine {
        is_root: rustix::process::geteuid().is_root(),
        kubelet: programs::version(root, "kubelet", &["--version"]),
        kubeadm: programs::version(root, "kubeadm", &["version", "--output=short"]),
        missing: programs::missing(root),
        host_name: host_name.trim().to_owned(),
        disks: disk::disks(root),
        swaps: kernel::swaps(root),
        ipv4_forward: sysctl("net/ipv4/ip_forward"),
        ipv6_forward: sysctl("net/ipv6/conf/default/forwarding"),
        bridge_nf_call: sysctl("net/bridge/bridge-nf-call-iptables"),
        cgroups: kernel::cgroups(root),
        // As sd_booted(3).
        runs_systemd: root.join("run/systemd/system").is_dir(),
        kubelet_unit: unit(root),
        leftovers: there(root, &LEFTOVERS),
        control_plane: control_plane(root),
        port_holder: kernel::listener(root, PORT).map(|inode| holder(root, inode)),
        proxy: proxy(&join.endpoint.host, |name| std::env::var(name).ok()),
        runtime: runtime::look(join, root),
    }
}

fn there(root: &Path, paths: &[&str]) -> Vec<String> {
    // A link to a file that is gone is a leftover as well.
    let is_there = |path: &&&str| root.join(path).symlink_metadata().is_ok();
    paths.iter().filter(is_there).map(|path| format!("/{path}")).collect()
}

fn control_plane(root: &Path) -> Vec<String> {
    let manifests = fs::read_dir(root.join(MANIFESTS)).into_iter().flatten().flatten();
    let mut manifests: Vec<String> = manifests
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter_map(|path| Some(format!("/{MANIFESTS}/{}", path.file_name()?.display())))
        .collect();
    manifests.sort();
    [there(root, &CONTROL_PLANE), manifests].concat()
}

fn unit(root: &Path) -> Unit {
    let mut unit = Unit::default();
    for folder in UNIT_FOLDERS.map(|folder| root.join(folder)) {
        let file = folder.join("kubelet.service");
        unit.exists |= file.is_file();
        let drop_ins = fs::read_dir(folder.join("kubelet.service.d"));
        let files = drop_ins.into_iter().flatten().flatten().map(|entry| entry.path());
        unit.has_drop_in |= files.chain([file]).any(|path| {
            fs::read_to_string(path).is_ok_and(|text| text.contains("--bootstrap-kubeconfig"))
        });
        let wanted = folder.join("multi-user.target.wants/kubelet.service");
        unit.is_enabled |= wanted.symlink_metadata().is_ok();
    }
    unit
}

/// The process that has the socket, by its name, as far as one may see that.
fn holder(root: &Path, inode: u64) -> String {
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir(root.join("proc")).into_iter().flatten().flatten();
    let has_it = |process: &Path| {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files
            .map(|file| file.path())
            .any(|file| fs::read_link(file).is_ok_and(|target| target.as_os_str() == link.as_str()))
    };
    let found = processes.map(|process| process.path()).find(|process| has_it(process));
    let named = found.and_then(|process| {
        let name = fs::read_to_string(process.join("comm")).ok()?;
        let number = process.file_name()?.to_string_lossy().into_owned();
        Some(format!("{} (process {number})", name.trim()))
    });
    named.unwrap_or_else(|| "somebody".to_owned())
}

/// What `http.ProxyFromEnvironment` of Go does with it.
fn proxy(host: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |name: &str| {
        let set = variable(name).or_else(|| variable(&name.to_lowercase()));
        set.filter(|value| !value.is_empty())
    };
    let proxy = either("HTTPS_PROXY")?;
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if host == "localhost" || is_loopback {
        return None;
    }
    let excluded = either("NO_PROXY").unwrap_or_default();
    let is_excluded = excluded.split(',').map(str::trim).any(|pattern| is_meant(host, pattern));
    // Its password is nobody's business.
    let shown = proxy.rsplit_once('@').map_or(proxy.as_str(), |(_, place)| place).to_owned();
    (!is_excluded).then_some(shown)
}

/// A name, the end of one, an address or a network.
fn is_meant(host: &str, pattern: &str) -> bool {
    let domain = pattern.trim_start_matches("*.").trim_start_matches('.');
    if domain.is_empty() {
        return false;
    }
    if pattern == "*" || host == domain || host.ends_with(&format!(".{domain}")) {
        return true;
    }
    let network: Option<ipnet::IpNet> = pattern.parse().ok();
    network
        .zip(host.parse().ok())
        .is_some_and(|(network, address): (_, std::net::IpAddr)| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(host: &str, excluded: &str) -> Option<String> {
        proxy(host, |name| match name {
            "https_proxy" => Some("http://user:secret@proxy:3128".to_owned()),
            "NO_PROXY" => Some(excluded.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_proxy_is_one_unless_the_host_is_excluded() {
        assert_eq!(through("demo.example.com", "").as_deref(), Some("proxy:3128"));
        assert_eq!(through("demo.example.com", "other, .example.com"), None);
        assert_eq!(through("172.30.0.1", "172.30.0.0/16"), None);
        assert_eq!(through("172.31.0.1", "172.30.0.0/16").as_deref(), Some("proxy:3128"));
        assert_eq!(through("127.0.0.1", ""), None);
        assert_eq!(proxy("demo", |_| None), None);
    }
}
