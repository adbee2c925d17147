//! What a plane's pods hold and use, as the kernel counts it: their cgroups, pause included, and the
//! shims beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::IoContext;
use crate::figures::float;
use crate::host::namespaces;
use crate::network;
use crate::ring::kubectl::text;
use crate::ring::{Failure, Kubectl, Outcome};

/// The processor time of an idle plane is counted for so long.
pub const SAMPLE: Duration = Duration::from_mins(1);
const MIB: f64 = 1024.0 * 1024.0;

/// Memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// As kubelet counts a working set: usage without inactive file pages. Of a shim: proportional
    /// set size.
    working_set: u64,
    /// Anonymous pages: the part that no other plane on the node can share.
    anonymous: u64,
}

impl Memory {
    /// In MiB.
    #[must_use]
    pub fn working_set_mib(self) -> f64 {
        mib(self.working_set)
    }

    /// In MiB.
    #[must_use]
    pub fn anonymous_mib(self) -> f64 {
        mib(self.anonymous)
    }

    fn and(self, other: Self) -> Self {
        Self {
            working_set: self.working_set + other.working_set,
            anonymous: self.anonymous + other.anonymous,
        }
    }
}

fn mib(bytes: u64) -> f64 {
    float(bytes) / MIB
}

/// The memory of all pods of a namespace, with their shims.
///
/// # Errors
/// There is no pod, or a cgroup cannot be read.
pub fn memory(namespace: &str) -> Outcome<Memory> {
    let mut all = Memory::default();
    for pod in pod_cgroups("memory", namespace)? {
        let usage: u64 = number(&read(&pod.join("memory.usage_in_bytes"))?)?;
        let stat = read(&pod.join("memory.stat"))?;
        let inactive = field(&stat, "total_inactive_file")?;
        let anonymous = field(&stat, "total_rss")?;
        all = all.and(Memory { working_set: usage.saturating_sub(inactive), anonymous });
        all = all.and(shim_of(&pod)?);
    }
    Ok(all)
}

/// The processor time of all pods of a namespace since they began.
///
/// # Errors
/// As [`memory`].
pub fn cpu(namespace: &str) -> Outcome<Duration> {
    let mut all = Duration::ZERO;
    for pod in pod_cgroups("cpuacct", namespace)? {
        all += Duration::from_nanos(number(&read(&pod.join("cpuacct.usage"))?)?);
    }
    Ok(all)
}

/// A cgroup (version 1) per pod.
fn pod_cgroups(controller: &str, namespace: &str) -> Outcome<Vec<PathBuf>> {
    let pods = Kubectl::management().list(&["pods", "-n", namespace])?;
    if pods.is_empty() {
        return Err(Failure::new(format!("{namespace} has no pods")));
    }
    let root = Path::new("/sys/fs/cgroup").join(controller);
    let root = root.join(namespaces::cgroup_name(network::MANAGEMENT));
    let of = |pod| {
        let folder = format!("pod{}", text(pod, "/metadata/uid"));
        let missing = || Failure::new(format!("no cgroup {folder} below {}", root.display()));
        find(&root, &folder).ok_or_else(missing)
    };
    pods.iter().map(of).collect()
}

fn find(below: &Path, name: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(below).ok()?.flatten().map(|entry| entry.path());
    let folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    let here = folders.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    here.cloned().or_else(|| folders.iter().find_map(|folder| find(folder, name)))
}

/// The pod's shim, unless the pod's cgroup has counted it.
fn shim_of(pod: &Path) -> Outcome<Memory> {
    let containers = fs::read_dir(pod).on("list", pod)?.flatten();
    let containers: BTreeSet<String> =
        containers.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let processes = fs::read_dir("/proc").on("list", Path::new("/proc"))?.flatten();
    let shims = processes.map(|entry| entry.path()).filter(|process| {
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        let id = words.iter().position(|word| *word == "-id").and_then(|at| words.get(at + 1));
        words[0].ends_with("containerd-shim-runc-v2")
            && id.is_some_and(|id| containers.contains(*id))
            && !read(&process.join("cgroup")).unwrap_or_default().contains("/pod")
    });
    let mut all = Memory::default();
    for shim in shims {
        let rollup = read(&shim.join("smaps_rollup"))?;
        all = all.and(Memory {
            working_set: field(&rollup, "Pss:")? * 1024,
            anonymous: field(&rollup, "Anonymous:")? * 1024,
        });
    }
    Ok(all)
}

fn read(path: &Path) -> Outcome<String> {
    Ok(fs::read_to_string(path).on("read", path)?)
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    number(value.ok_or_else(|| Failure::new(format!("there is no {name} in:\n{text}")))?)
}

fn number(text: &str) -> Outcome<u64> {
    Ok(text.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "rss 1\ntotal_rss 7\ntotal_rss_huge 9\nAnonymous:   12 kB\n";
        assert_eq!(field(text, "total_rss").unwrap(), 7);
        assert_eq!(field(text, "Anonymous:").unwrap(), 12);
        assert!(field(text, "total").is_err());
    }
}
