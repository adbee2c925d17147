//! How a process in fresh namespaces becomes a machine: its own root, name, kernel settings; then
//! it supervises the machine's services as pid 1.

use std::fs;
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, unmount,
};

use super::rootfs::{LAYERED, READY};
use super::{disk, routes, supervisor};
use crate::error::{IoContext, Result};
use crate::paths::make_folder;
use crate::state::HostRecord;

/// Kernel settings of a Kubernetes node; all belong to the network namespace.
const SETTINGS: [(&str, &str); 4] = [
    ("/proc/sys/net/ipv4/ip_forward", "1"),
    // kubeadm checks this one where a family of the cluster is IPv6.
    ("/proc/sys/net/ipv6/conf/default/forwarding", "1"),
    ("/proc/sys/net/bridge/bridge-nf-call-iptables", "1"),
    ("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1"),
];

/// Turns this process, alone in its namespaces, into the host and never returns while it is on.
///
/// # Errors
/// The kernel refuses a mount or a setting, or containerd does not start.
pub fn boot(folder: &Path, record: &HostRecord) -> Result<()> {
    enter_root(folder)?;
    rustix::system::sethostname(record.name.as_bytes()).doing(|| "set the host name".into())?;
    for (file, value) in SETTINGS {
        fs::write(file, value).doing(|| format!("write {file}"))?;
    }
    for folder in ["/run/nagaya", "/run/lock", "/run/containerd", "/run/netns"] {
        make_folder(Path::new(folder))?;
    }
    supervisor::run(record, &Path::new("/").join(READY))
}

fn enter_root(folder: &Path) -> Result<()> {
    let root = folder.join("root");
    // Nothing that happens in here may reach this machine's mounts.
    change(Path::new("/"), MountPropagationFlags::PRIVATE)?;
    mount_bind(&root, &root).on("bind", &root)?;
    for layer in LAYERED {
        overlay(folder, layer, &root.join(layer))?;
    }
    pseudo("proc", &root.join("proc"))?;
    pseudo("sysfs", &root.join("sys"))?;
    pseudo("tmpfs", &root.join("run"))?;
    for shared in ["dev", "sys/fs/cgroup"] {
        let to = root.join(shared);
        mount_bind_recursive(Path::new("/").join(shared), &to).on("bind", &to)?;
    }
    let (shared, to) = (routes::outside(), root.join(routes::INSIDE));
    make_folder(&to)?;
    mount_bind(&shared, &to).on("bind", &shared)?;
    disk::show(folder)?;
    std::env::set_current_dir(&root).on("enter", &root)?;
    // The same folder twice stacks the old root on the new one, from where it is unmounted:
    // pivot_root(2), "pivot_root(".", ".")".
    rustix::process::pivot_root(".", ".").doing(|| "change the root".to_owned())?;
    unmount(".", UnmountFlags::DETACH).doing(|| "leave the old root".to_owned())?;
    std::env::set_current_dir("/").doing(|| "enter the new root".to_owned())?;
    // The kubelet shares mounts with the pods that ask for it.
    change(Path::new("/"), MountPropagationFlags::SHARED)
}

fn change(path: &Path, propagation: MountPropagationFlags) -> Result<()> {
    mount_change(path, propagation | MountPropagationFlags::REC).on("change mounts of", path)
}

fn overlay(folder: &Path, layer: &str, to: &Path) -> Result<()> {
    let (upper, work) = (folder.join(layer), folder.join(format!("{layer}.work")));
    let options =
        format!("lowerdir=/{layer},upperdir={},workdir={}", upper.display(), work.display());
    let options = std::ffi::CString::new(options)
        .map_err(std::io::Error::from)
        .doing(|| "name the overlay's folders".to_owned())?;
    mount("overlay", to, "overlay", MountFlags::empty(), options.as_c_str())
        .doing(|| format!("mount an overlay on {}", to.display()))
}

fn pseudo(kind: &str, to: &Path) -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount(kind, to, kind, flags, None).doing(|| format!("mount {kind} on {}", to.display()))
}
