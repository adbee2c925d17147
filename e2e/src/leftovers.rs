//! What a sandbox may leave behind: found without any record of ours, so that it holds after a
//! crash too, and removed.

use std::path::Path;

use crate::command::{command, output, run};
use crate::host::namespaces;
use crate::progress::say;
use crate::{disk, network, paths, processes};

/// Everything of a sandbox that is still there, a line each; none after a good `down`.
#[must_use]
pub fn find() -> Vec<String> {
    let mut left = Vec::new();
    for process in processes::of_hosts_below(&hosts()) {
        left.push(format!("process {}: {}", process.number(), process.command_line()));
    }
    left.extend(mounts().into_iter().map(|path| format!("mount {path}")));
    let devices = disk::loop_devices_below(&paths::state()).into_iter();
    left.extend(devices.map(|device| format!("loop device {device}")));
    left.extend(network_namespaces().into_iter().map(|name| format!("network namespace {name}")));
    left.extend(links().into_iter().map(|name| format!("network interface {name}")));
    for cgroup in namespaces::remaining_cgroups().unwrap_or_default() {
        left.push(format!("cgroup {}", cgroup.display()));
    }
    if paths::state().exists() {
        left.push(format!("folder {}", paths::state().display()));
    }
    left
}

/// Removes what [`find`] finds, as far as it can; says what it could not.
pub fn clear() {
    for process in processes::of_hosts_below(&hosts()) {
        tell(process.end());
    }
    for name in network_namespaces() {
        for process in processes::in_network(&network::namespace_path(&name)) {
            tell(process.end());
        }
        tell(network::remove_namespace(&name));
    }
    for path in mounts().iter().rev() {
        tell(run(&mut command(&["umount", "--lazy", path])));
    }
    for device in disk::loop_devices_below(&paths::state()) {
        tell(run(&mut command(&["losetup", "--detach", &device])));
    }
    for cgroup in namespaces::remaining_cgroups().unwrap_or_default() {
        let name = cgroup.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let host = name.strip_prefix(&network::namespace("")).unwrap_or_default().to_owned();
        tell(namespaces::remove_cgroups(&host));
    }
}

fn tell<T>(result: crate::error::Result<T>) {
    if let Err(error) = result {
        say(&format!("{error}"));
    }
}

fn hosts() -> std::path::PathBuf {
    paths::state().join("hosts")
}

fn mounts() -> Vec<String> {
    let text = paths::read_text(Path::new("/proc/self/mounts")).unwrap_or_default();
    mounts_below(&text, &paths::state().to_string_lossy())
}

/// The mount points in a mount table that are a folder or below it.
fn mounts_below(table: &str, folder: &str) -> Vec<String> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    points.filter(|point| Path::new(point).starts_with(folder)).map(str::to_owned).collect()
}

fn network_namespaces() -> Vec<String> {
    let prefix = network::namespace("");
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

/// Interfaces in this machine's own network whose other end is in one of ours.
fn links() -> Vec<String> {
    let text = output(&mut command(&["ip", "-o", "link", "show"])).unwrap_or_default();
    links_into(&text, &network::namespace(""))
}

/// The names of the interfaces whose peer is in a network namespace that begins with `prefix`.
fn links_into(text: &str, prefix: &str) -> Vec<String> {
    let mark = format!("link-netns {prefix}");
    let ours = text.lines().filter(|line| line.contains(&mark));
    ours.filter_map(|line| line.split(": ").nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_the_folder_count() {
        let table = "a /state/hosts/x tmpfs rw 0 0\nb /stateful tmpfs rw 0 0\nc / ext4 rw 0 0\n";
        assert_eq!(mounts_below(table, "/state"), ["/state/hosts/x"]);
    }

    #[test]
    fn only_interfaces_that_lead_into_our_namespaces_count() {
        let text = "1: lo: <UP> mtu 65536 \\ link/loopback\n\
                    7: veth1@if2: <UP> mtu 1500 \\ link/ether link-netns nagaya-vm1\n\
                    8: veth2@if2: <UP> mtu 1500 \\ link/ether link-netns other\n";
        assert_eq!(links_into(text, "nagaya-"), ["veth1@if2"]);
    }
}
