//! What a sandbox may leave behind: found without any record of ours, so that it holds after a
//! crash too, and removed.

use std::path::Path;

use crate::command::{command, output, run};
use crate::host::namespaces;
use crate::progress::say;
use crate::{network, paths, processes};

/// Everything of a sandbox that is still there, a line each; none after a good `down`.
#[must_use]
pub fn find() -> Vec<String> {
    let mut left = Vec::new();
    for process in processes::of_programs_below(&hosts()) {
        left.push(format!("process {}: {}", process.number(), process.command_line()));
    }
    left.extend(mounts().into_iter().map(|path| format!("mount {path}")));
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
    for process in processes::of_programs_below(&hosts()) {
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

/// Interfaces of ours that ended up in this machine's own network.
fn links() -> Vec<String> {
    let text = output(&mut command(&["ip", "-o", "link", "show", "type", "veth"]));
    let text = text.unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split(": ").nth(1));
    let peer = |name: &&str| name.contains("nagaya");
    names.filter(peer).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_the_folder_count() {
        let table = "a /state/hosts/x tmpfs rw 0 0\nb /stateful tmpfs rw 0 0\nc / ext4 rw 0 0\n";
        assert_eq!(mounts_below(table, "/state"), ["/state/hosts/x"]);
    }
}
