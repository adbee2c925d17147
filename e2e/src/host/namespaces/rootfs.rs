//! The files of a namespaces host: a root of its own over this machine's `/usr` and `/etc`.
//!
//! ```text
//! <state>/hosts/NAME/
//!   init        the program that becomes pid 1 of the host
//!   init.log    what it says
//!   root/       the host's root: var, opt, root, tmp, and mount points
//!   usr/ etc/   what the host has on top of this machine's (upper layers)
//!   *.work/     overlayfs' own
//!   disk.img    what the host has on a disk of its own, if it has one, and disk/, where that is mounted
//! ```

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, setxattr};

use crate::components;
use crate::error::{IoContext, Result};
use crate::host::namespaces::cgroups;
use crate::images;
use crate::network::GATEWAY;
use crate::paths::{self, make_folder};
use crate::state::HostRecord;

/// The folders of this machine that a host sees through a copy-on-write layer.
pub const LAYERED: [&str; 2] = ["usr", "etc"];
/// The mark that the host's containerd answers, inside the host's root.
pub const READY: &str = "var/lib/nagaya/ready";

const MOUNT_POINTS: [&str; 6] = ["usr", "etc", "dev", "proc", "sys", "run"];
const FOLDERS: [&str; 13] = [
    "var/lib/nagaya",
    "var/lib/kubelet",
    "var/lib/containerd",
    "var/lib/cni",
    "var/log/pods",
    "var/log/containers",
    "var/cache",
    "var/tmp",
    "opt/cni",
    "root",
    "tmp",
    "mnt",
    "srv",
];
/// What a node runs in pods alone.
const IMAGES_ONLY: [&str; 3] = ["kube-proxy", "coredns", "proxy-agent"];
/// Folders of `/etc` of which the host must see nothing of this machine's.
const OWN_ETC: [&str; 3] = ["kubernetes", "cni/net.d", "containerd"];

/// Lays out a new host's files: folders, configuration, binaries of its Kubernetes minor.
///
/// # Errors
/// A file cannot be written, or a component cannot be built.
pub fn lay_out(folder: &Path, record: &HostRecord) -> Result<()> {
    lay_out_root(&folder.join("root"))?;
    for layer in LAYERED {
        make_folder(&folder.join(layer))?;
        make_folder(&folder.join(format!("{layer}.work")))?;
    }
    lay_out_etc(&folder.join("etc"), record)?;
    lay_out_binaries(&folder.join("usr/bin"), &record.kubernetes)
}

fn lay_out_root(root: &Path) -> Result<()> {
    for name in MOUNT_POINTS.iter().chain(&FOLDERS) {
        make_folder(&root.join(name))?;
    }
    for name in ["tmp", "var/tmp"] {
        let path = root.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o1777)).on("open up", &path)?;
    }
    link(Path::new("/run"), &root.join("var/run"))?;
    link(Path::new("/run/lock"), &root.join("var/lock"))?;
    link(Path::new("/usr/lib/cni"), &root.join("opt/cni/bin"))?;
    // /bin, /lib and their like are links into /usr (Debian 12), on every architecture.
    for entry in fs::read_dir("/").doing(|| "list /".to_owned())?.flatten() {
        if let Ok(target) = fs::read_link(entry.path())
            && target.starts_with("usr")
        {
            link(&target, &root.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn lay_out_etc(etc: &Path, record: &HostRecord) -> Result<()> {
    for name in OWN_ETC {
        let path = etc.join(name);
        make_folder(&path)?;
        setxattr(&path, "trusted.overlay.opaque", b"y", XattrFlags::empty())
            .on("hide this machine's part of", &path)?;
    }
    let (name, address) = (&record.name, record.address);
    let pause = images::pause_reference(&record.kubernetes);
    let files = [
        ("hostname", format!("{name}\n")),
        ("hosts", format!("127.0.0.1 localhost\n::1 localhost\n{address} {name}\n")),
        ("resolv.conf", format!("nameserver {GATEWAY}\n")),
        ("containerd/config.toml", include_str!("containerd.toml").replace("@PAUSE@", &pause)),
        // Where systemd's 10-kubeadm.conf takes a machine's own kubelet flags from.
        (
            "default/kubelet",
            format!(
                "KUBELET_EXTRA_ARGS=--cgroup-root=/{} --node-ip={address}\n",
                cgroups::name(name)
            ),
        ),
    ];
    for (file, text) in files {
        paths::write_whole(&etc.join(file), text.as_bytes())?;
    }
    Ok(())
}

fn lay_out_binaries(bin: &Path, minor: &str) -> Result<()> {
    make_folder(bin)?;
    let mut wanted = components::for_node(minor)?;
    wanted.retain(|(_, binary)| !IMAGES_ONLY.contains(binary));
    for from in components::ensure_all(&wanted)? {
        place(&from, &bin.join(from.file_name().unwrap_or_default()))?;
    }
    let systemctl = bin.join("systemctl");
    paths::write_whole(&systemctl, include_bytes!("systemctl.sh"))?;
    fs::set_permissions(&systemctl, Permissions::from_mode(0o755)).on("open up", &systemctl)
}

/// Puts a big file somewhere without copying it where the filesystem allows that.
fn place(from: &Path, to: &Path) -> Result<()> {
    // What a symbolic link leads to would not be there in the host.
    let file = fs::canonicalize(from).on("find", from)?;
    if to.exists() || fs::hard_link(&file, to).is_ok() {
        return Ok(());
    }
    copy(&file, to)
}

/// Copies a program.
///
/// # Errors
/// It cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).doing(|| format!("copy {} to {}", from.display(), to.display()))
}

fn link(target: &Path, path: &PathBuf) -> Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).on("link", path)
        }
        _ => Ok(()),
    }
}
