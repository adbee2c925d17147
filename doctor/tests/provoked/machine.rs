//! A machine on which a join would succeed, as a folder: what `/proc`, `/sys` and `/etc` of one would say.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::runtime::Runtime;

pub struct Machine {
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
        let machine = Self { folder: tempfile::tempdir().unwrap(), _runtime: None };
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
