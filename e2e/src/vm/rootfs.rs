//! What the node image has on top of Debian: files, links and which units start.
//!
//! The files themselves are in `rootfs/`, as they end up on the disk. None knows a tenant: a node
//! is configured by its user-data alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::command::{command, run};
use crate::error::{IoContext, Result};
use crate::{images, paths};

/// A file of the image.
#[derive(Debug)]
struct Baked {
    path: &'static str,
    mode: u32,
    content: &'static str,
}

const fn file(path: &'static str, content: &'static str) -> Baked {
    Baked { path, mode: 0o644, content }
}

const FILES: [Baked; 14] = [
    file("etc/cloud/cloud.cfg", include_str!("rootfs/cloud.cfg")),
    file("etc/cloud/ds-identify.cfg", include_str!("rootfs/ds-identify.cfg")),
    file("etc/containerd/config.toml", include_str!("rootfs/containerd.toml")),
    file("etc/modules-load.d/node.conf", include_str!("rootfs/modules.conf")),
    file("etc/ssh/sshd_config.d/node.conf", include_str!("rootfs/sshd.conf")),
    file("etc/sysctl.d/90-node.conf", include_str!("rootfs/sysctl.conf")),
    // cloud-init's networkd renderer names its file so; the drop-in survives it.
    file(
        "etc/systemd/network/10-cloud-init-eth0.network.d/no-router-advertisements.conf",
        include_str!("rootfs/no-router-advertisements.conf"),
    ),
    file("etc/systemd/system/containerd.service", include_str!("rootfs/containerd.service")),
    file("etc/systemd/system/kubelet.service", include_str!("rootfs/kubelet.service")),
    file(
        "etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
        include_str!("rootfs/10-kubeadm.conf"),
    ),
    file(
        "etc/systemd/system/kubelet.service.d/20-only-when-joined.conf",
        include_str!("rootfs/20-only-when-joined.conf"),
    ),
    file("etc/systemd/system/node-cni.path", include_str!("rootfs/node-cni.path")),
    file("etc/systemd/system/node-cni.service", include_str!("rootfs/node-cni.service")),
    Baked {
        path: "usr/local/sbin/node-cni",
        mode: 0o755,
        content: include_str!("rootfs/node-cni"),
    },
];

const FOLDERS: [&str; 4] =
    ["etc/cni/net.d", "etc/containerd/conf.d", "etc/kubernetes/manifests", "var/lib/kubelet"];

/// Where Kubernetes' documentation has the CNI plug-ins, and where Debian puts them.
const LINKS: [(&str, &str); 1] = [("opt/cni/bin", "/usr/lib/cni")];

const ENABLED: [&str; 4] = ["containerd", "kubelet", "node-cni.path", "systemd-networkd"];
const DISABLED: [&str; 3] = ["getty@tty1", "remote-fs.target", "systemd-pstore"];

/// Units that a node does without. On an emulated CPU each costs a good part of a second, and
/// cloud-init's two middle stages (see `rootfs/cloud.cfg`) seconds.
const MASKED: [&str; 12] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "cloud-config.service",
    "cloud-init-hotplugd.socket",
    "cloud-init.service",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "systemd-binfmt.service",
    "systemd-repart.service",
    "systemd-update-utmp.service",
];

/// systemd's generators that find nothing on this image, however long they look.
const MASKED_GENERATORS: [&str; 11] = [
    "cryptsetup",
    "debug",
    "getty",
    "gpt-auto",
    "hibernate-resume",
    "integritysetup",
    "rc-local",
    "run",
    "system-update",
    "sysv",
    "veritysetup",
];

/// Everything in this module that decides what the image is, for its cache key.
#[must_use]
pub fn fingerprint() -> String {
    format!("{FILES:?}{FOLDERS:?}{LINKS:?}{ENABLED:?}{DISABLED:?}{MASKED:?}{MASKED_GENERATORS:?}")
}

/// Lays files and links into an unpacked Debian, and switches its units on and off.
///
/// # Errors
/// A file cannot be written, or systemctl refuses.
pub fn lay_out(root: &Path, minor: &str) -> Result<()> {
    for folder in FOLDERS {
        paths::make_folder(&root.join(folder))?;
    }
    for file in &FILES {
        write(root, file, &images::pause_reference(minor))?;
    }
    for (link, target) in LINKS {
        make_link(&root.join(link), target)?;
    }
    for generator in MASKED_GENERATORS {
        let name = format!("etc/systemd/system-generators/systemd-{generator}-generator");
        make_link(&root.join(name), "/dev/null")?;
    }
    // Empty, so that every machine gets an identity of its own at its first boot (machine-id(5)).
    let machine_id = root.join("etc/machine-id");
    fs::write(&machine_id, "").on("empty", &machine_id)?;
    for (verb, units) in [("enable", &ENABLED[..]), ("disable", &DISABLED), ("mask", &MASKED)] {
        run(command(&["chroot"]).arg(root).args(["systemctl", verb]).args(units))?;
    }
    Ok(())
}

fn write(root: &Path, file: &Baked, pause: &str) -> Result<()> {
    let path = root.join(file.path);
    if let Some(folder) = path.parent() {
        paths::make_folder(folder)?;
    }
    fs::write(&path, file.content.replace("@PAUSE_IMAGE@", pause)).on("write", &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).on("set the mode of", &path)
}

fn make_link(path: &Path, target: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        paths::make_folder(folder)?;
    }
    symlink(target, path).on("link", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(path: &str) -> &'static str {
        FILES.iter().find(|file| file.path.ends_with(path)).unwrap().content
    }

    #[test]
    fn the_kubelet_starts_as_kubeadms_own_package_starts_it() {
        let drop_in = content("10-kubeadm.conf");
        for argument in [
            "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
            "--kubeconfig=/etc/kubernetes/kubelet.conf",
            "--config=/var/lib/kubelet/config.yaml",
            "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env",
        ] {
            assert!(drop_in.contains(argument), "{argument}");
        }
    }

    #[test]
    fn user_data_can_set_containerds_cgroup_driver_and_the_image_does_not() {
        let config = content("containerd/config.toml");
        assert!(config.contains(r#"imports = ["/etc/containerd/conf.d/*.toml"]"#));
        assert!(FILES.iter().all(|file| !file.content.contains("SystemdCgroup")));
    }

    #[test]
    fn every_unit_that_is_switched_on_is_ours_or_debians_network() {
        let ours: Vec<_> = FILES.iter().map(|file| file.path).collect();
        for unit in ENABLED {
            let path = format!("etc/systemd/system/{}", unit.trim_end_matches(".service"));
            let is_ours = ours.iter().any(|file| file.starts_with(&path));
            assert!(is_ours || unit == "systemd-networkd", "{unit}");
        }
    }

    /// A path unit starts a skipped service again at once, for ever.
    #[test]
    fn after_a_reboot_nothing_asks_again_for_a_network_that_is_there() {
        let condition = "ConditionPathExists=!/etc/cni/net.d/10-bridge.conflist";
        assert!(content("node-cni.path").contains(condition));
        assert!(!content("node-cni.service").contains("Condition"));
    }

    #[test]
    fn no_file_knows_an_address_or_a_token() {
        for file in &FILES {
            assert!(!file.content.contains("172.30."), "{}", file.path);
            assert!(!file.content.contains("--token"), "{}", file.path);
        }
    }

    #[test]
    fn a_laid_out_file_names_the_minors_own_pause_image() {
        let root = std::env::temp_dir().join(format!("node-rootfs-{}", std::process::id()));
        let config = FILES.iter().find(|file| file.path.ends_with("config.toml")).unwrap();
        write(&root, config, "registry.example/pause:1").unwrap();
        let text = fs::read_to_string(root.join(config.path)).unwrap();
        assert!(text.contains(r#"sandbox = "registry.example/pause:1""#), "{text}");
        paths::remove_folder(&root).unwrap();
    }
}
