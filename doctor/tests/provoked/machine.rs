//! A machine on which a join would succeed, as a folder: what `/proc`, `/sys` and `/etc` of one would say.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::runtime::Runtime;

/// A file system of 8 MiB.
pub struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(&folder).status();
        assert!(mounted.unwrap().success());
        Self(folder)
    }

    /// So many bytes are taken, or as many as there are.
    pub fn fill(&self, bytes: usize) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        let _ = file.write_all(&vec![0; bytes]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

pub struct Machine {
    /// At `/var/lib`: what is left on the disk of whoever runs this is no matter. It goes before the folder that it is in.
    pub disk: Disk,
    folder: TempDir,
    _runtime: Option<Runtime>,
}

impl Machine {
    /// With a container runtime that says its cgroup driver is systemd.
    pub fn well() -> Self {
        let machine = Self::without_runtime();
        let runtime = Runtime::start(machine.root(), Some(0));
        Self { _runtime: Some(runtime), ..machine }
    }

    pub fn without_runtime() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::mount(folder.path().join("var/lib"));
        let machine = Self { disk, folder, _runtime: None };
        for (path, text) in [
            ("proc/sys/kernel/hostname", "vm-1\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n"),
            ("proc/sys/net/ipv4/ip_forward", "1\n"),
            ("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n"),
            ("proc/net/tcp", "head\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n"),
            ("usr/lib/systemd/system/kubelet.service", "[Unit]\n"),
            (
                "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
                "Environment=\"A=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf\"\n",
            ),
        ] {
            machine.write(path, text);
        }
        fs::create_dir_all(machine.root().join("run/systemd/system")).unwrap();
        let wants = machine.root().join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink("/usr/lib/systemd/system/kubelet.service", wants.join("kubelet.service")).unwrap();
        machine.says("kubelet", "Kubernetes v1.37.1");
        machine.says("kubeadm", "v1.37.1");
        for name in ["losetup", "mount", "cp"] {
            machine.says(name, "");
        }
        machine
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.root().join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// A program that says this, whatever it is asked.
    pub fn says(&self, program: &str, words: &str) {
        let path = format!("usr/bin/{program}");
        self.write(&path, &format!("#!/bin/sh\necho '{words}'\n"));
        fs::set_permissions(self.root().join(path), Permissions::from_mode(0o755)).unwrap();
    }
}
