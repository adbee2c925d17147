//! The Debian under every node image: packages and an initrd, nothing of Kubernetes.
//!
//! Kept as a tar beside the images, so that a second minor's image costs seconds.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::command::{command, run};
use crate::components::hex;
use crate::error::{IoContext, Result};
use crate::{paths, progress};

const SUITE: &str = "bookworm";

/// What a node needs; what these recommend stays out.
const PACKAGES: [&str; 18] = [
    "ca-certificates",
    "cloud-init",
    "conntrack",
    "containernetworking-plugins",
    "ethtool",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-cloud-amd64",
    "openssh-server",
    "procps",
    "runc",
    "socat",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "zstd",
];

/// Before the kernel's own package makes the initrd, so that it is made once and small.
const INITRAMFS_FILES: [(&str, &str); 2] = [
    ("/etc/initramfs-tools/conf.d/node", include_str!("base/initramfs.conf")),
    ("/usr/share/initramfs-tools/modules.d/node", include_str!("base/initramfs.modules")),
];

/// Short text that changes with what this module makes. Debian's own updates do not change it: an
/// image that is kept stays as it was made.
#[must_use]
pub fn key() -> String {
    hex(&Sha256::digest(format!("1 {SUITE} {PACKAGES:?} {INITRAMFS_FILES:?}"))[..8])
}

/// The tar of the root filesystem, made first if `folder` does not have it.
///
/// The caller holds the lock of `folder`.
///
/// # Errors
/// mmdebstrap fails: Debian's packages cannot be reached, or the disk is full.
pub fn ensure(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("debian-{}.tar", key()));
    if !path.exists() {
        let draft = folder.join(format!("debian-{}.draft", key()));
        paths::remove_folder(&draft)?;
        paths::make_folder(&draft)?;
        let what = "making Debian 12 for virtual machines (mmdebstrap, about 2 minutes)";
        let made = progress::step(what, || make(&draft, &path));
        paths::remove_folder(&draft)?;
        made?;
    }
    Ok(path)
}

fn make(draft: &Path, path: &Path) -> Result<()> {
    let mut uploads = Vec::new();
    for (number, (target, content)) in INITRAMFS_FILES.iter().enumerate() {
        let source = draft.join(format!("initramfs-{number}"));
        std::fs::write(&source, content).on("write", &source)?;
        uploads.push((source, *target));
    }
    let tar = draft.join("root.tar");
    run(&mut build_mmdebstrap(&uploads, draft, &tar))?;
    std::fs::rename(&tar, path).on("keep", path)
}

fn build_mmdebstrap(uploads: &[(PathBuf, &str)], work: &Path, tar: &Path) -> Command {
    // What it mounts must never be seen from here: an interrupted run's draft is removed as a folder.
    let mut words = command(&["unshare", "--mount", "--propagation=private"]);
    words.args(["mmdebstrap", "--mode=root", "--variant=apt", "--quiet"]);
    words.arg(format!("--include={}", PACKAGES.join(",")));
    for (source, target) in uploads {
        let folder = target.rsplit_once('/').map_or("/", |(folder, _)| folder);
        words.arg(format!(r#"--essential-hook=mkdir -p "$1{folder}""#));
        words.arg(format!("--essential-hook=upload '{}' '{target}'", source.display()));
    }
    words.arg(SUITE).arg(tar);
    // Its own draft must go with ours when this is interrupted.
    words.env("TMPDIR", work);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initrds_files_are_there_before_the_kernel_is_installed() {
        let uploads = [(PathBuf::from("/tmp/base/file"), INITRAMFS_FILES[0].0)];
        let line = crate::command::command_line(&build_mmdebstrap(
            &uploads,
            Path::new("/tmp/base"),
            Path::new("/tmp/base/root.tar"),
        ));
        let upload = "--essential-hook=upload '/tmp/base/file' '/etc/initramfs-tools/conf.d/node'";
        assert!(line.contains(upload), "{line}");
        assert!(line.ends_with("bookworm /tmp/base/root.tar"), "{line}");
    }

    #[test]
    fn a_node_gets_what_kubeadm_and_a_real_cloud_image_have() {
        for package in ["cloud-init", "conntrack", "ethtool", "iptables", "openssh-server", "runc"]
        {
            assert!(PACKAGES.contains(&package), "{package}");
        }
    }
}
