//! A host's own cgroup, the same name in every hierarchy: several kubelets share this kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{IoContext, Result};
use crate::network;

/// How long the kernel may take to let go of ended processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The cgroup of a host, below each hierarchy's root.
#[must_use]
pub fn name(host: &str) -> String {
    network::namespace(host)
}

/// Makes a host's cgroup in every mounted hierarchy, version 1 and 2.
///
/// # Errors
/// The kernel refuses one.
pub fn make(host: &str) -> Result<()> {
    let roots = roots()?;
    // Beside version 1, version 2 has no controller that a kubelet needs.
    let only_version_2 = roots.iter().all(|root| root.unified);
    for root in roots {
        let group = root.path.join(name(host));
        fs::create_dir_all(&group).on("create", &group)?;
        if only_version_2 {
            delegate(&root.path);
            delegate(&group);
        }
        // All of a host's processes together would weigh as much as one compiler or emulator beside it.
        for (file, weight) in [("cpu.shares", "8192"), ("cpu.weight", "800")] {
            let file = group.join(file);
            if file.exists() {
                fs::write(&file, weight).on("write", &file)?;
            }
        }
        // A cpuset without these takes no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let (from, to) = (root.path.join(file), group.join(file));
            if !root.unified && from.exists() {
                let value = fs::read(&from).on("read", &from)?;
                fs::write(&to, value).on("write", &to)?;
            }
        }
    }
    Ok(())
}

/// Removes a host's cgroup with all below it, in every hierarchy; none there is as good.
///
/// # Errors
/// A cgroup stays busy for 10 s.
pub fn remove(host: &str) -> Result<()> {
    for root in roots()? {
        let group = root.path.join(name(host));
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = remove_tree(&group) {
            if Instant::now() > deadline {
                return Err(error).on("remove the cgroup", &group);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Every cgroup that looks like one of ours, in every hierarchy.
///
/// # Errors
/// The list of mounts cannot be read.
pub fn remaining() -> Result<Vec<PathBuf>> {
    let prefix = name("");
    let mut found = Vec::new();
    for root in roots()? {
        found.extend(children(&root.path).into_iter().filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        }));
    }
    Ok(found)
}

struct Root {
    path: PathBuf,
    unified: bool,
}

fn roots() -> Result<Vec<Root>> {
    let path = Path::new("/proc/self/mounts");
    Ok(parse_roots(&fs::read_to_string(path).on("read", path)?))
}

fn parse_roots(mounts: &str) -> Vec<Root> {
    let root = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let path = PathBuf::from(words.next()?);
        let kind = words.next()?;
        matches!(kind, "cgroup" | "cgroup2").then_some(Root { path, unified: kind == "cgroup2" })
    };
    mounts.lines().filter_map(root).collect()
}

/// Lets groups below use the controllers of `group`; those that cannot be passed on are left out.
fn delegate(group: &Path) {
    let controllers = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        // A controller that is bound to a version 1 hierarchy refuses, which is as good.
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    for child in children(group) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_hierarchies_are_found_and_nothing_else() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let roots = parse_roots(mounts);
        let seen: Vec<_> = roots.iter().map(|r| (r.path.to_str().unwrap(), r.unified)).collect();
        assert_eq!(seen, [("/sys/fs/cgroup/cpu", false), ("/sys/fs/cgroup/unified", true)]);
    }
}
