//! What goes wrong on a machine.

use std::fs;
use std::os::unix::fs::symlink;

use nagaya_doctor::Check;
use nagaya_doctor::Verdict::{Failed, NotChecked, Passed, Warning};

use crate::machine::Machine;
use crate::runtime::{Runtime, SOCKET};
use crate::{found, is};

const OF_THE_MACHINE: [Check; 14] = [
    Check::Privileges,
    Check::Programs,
    Check::KubeletService,
    Check::Leftovers,
    Check::Port,
    Check::HostName,
    Check::DiskSpace,
    Check::Swap,
    Check::IpForward,
    Check::BridgeNetfilter,
    Check::Cgroups,
    Check::Runtime,
    Check::CgroupDriver,
    Check::Proxy,
];

#[test]
fn a_machine_that_is_well_passes() {
    let report = found(&Machine::well());
    for check in OF_THE_MACHINE {
        is(&report, check, Passed, "");
    }
    is(&report, Check::Runtime, Passed, "containerd 2.4.2 answers at /run/containerd");
}

#[test]
fn a_disk_that_fills_is_found() {
    let machine = Machine::well();
    is(&found(&machine), Check::DiskSpace, Passed, "/var/lib/kubelet has 8 of 8 MiB left");
    machine.disk.fill(7700 << 10);
    is(&found(&machine), Check::DiskSpace, Warning, "want 10% (nodefs.available)");
    machine.disk.fill(8 << 20);
    is(&found(&machine), Check::DiskSpace, Failed, "is full");
    machine.disk.fill(0);
    is(&found(&machine), Check::DiskSpace, Passed, "");
}

#[test]
fn what_files_tell_is_found() {
    let machine = Machine::well();
    let head = "Filename Type Size Used Priority\n";
    machine.write("proc/swaps", &format!("{head}/dev/sda2 partition 1 0 -2\n"));
    machine.write("proc/sys/net/ipv4/ip_forward", "0\n");
    machine.remove("proc/sys/net/bridge");
    machine.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    machine.write("proc/sys/kernel/hostname", "localhost\n");
    let report = found(&machine);
    is(&report, Check::Swap, Failed, "/dev/sda2");
    is(&report, Check::IpForward, Failed, "net.ipv4.ip_forward is not 1");
    is(&report, Check::BridgeNetfilter, Warning, "br_netfilter is not there");
    is(&report, Check::Cgroups, Failed, "no controller memory");
    is(&report, Check::HostName, Failed, "localhost");
    machine.write("proc/sys/net/bridge/bridge-nf-call-iptables", "0\n");
    machine.remove("sys/fs/cgroup/cgroup.controllers");
    machine.write("sys/fs/cgroup/memory/tasks", "");
    let report = found(&machine);
    is(&report, Check::BridgeNetfilter, Warning, "is 0");
    is(&report, Check::Cgroups, Failed, "cgroup v1: kubelets from 1.35 on do not start");
}

#[test]
fn what_an_earlier_join_left_is_found() {
    let machine = Machine::well();
    for path in ["kubelet.conf", "bootstrap-kubelet.conf", "pki/ca.crt"] {
        machine.write(&format!("etc/kubernetes/{path}"), "");
    }
    let certificate = "var/lib/kubelet/pki/kubelet-client-current.pem";
    machine.write("var/lib/kubelet/pki/kubelet.crt", "");
    symlink("gone.pem", machine.root().join(certificate)).unwrap();
    let report = found(&machine);
    is(&report, Check::Leftovers, Failed, "kubelet.conf, /etc/kubernetes/bootstrap-kubelet.conf");
    is(&report, Check::Leftovers, Failed, "/etc/kubernetes/pki/ca.crt, /var/lib/kubelet/pki/");
}

#[test]
fn who_has_the_port_is_found() {
    let machine = Machine::well();
    let line = "0: 00000000000000000000000000000000:280A 00:0000 0A 0:0 0:0 0 0 0 4711 1";
    machine.write("proc/net/tcp6", &format!("head\n {line}\n"));
    is(&found(&machine), Check::Port, Failed, "in use by somebody");
    machine.write("proc/4321/comm", "kubelet\n");
    let files = machine.root().join("proc/4321/fd");
    fs::create_dir_all(&files).unwrap();
    symlink("socket:[4711]", files.join("7")).unwrap();
    let report = found(&machine);
    is(&report, Check::Port, Failed, "a node already");
    is(&report, Check::Port, Failed, "kubelet (process 4321)");
}

#[test]
fn a_control_plane_is_found_by_its_files() {
    for path in ["admin.conf", "pki/ca.key", "manifests/etcd.yaml"] {
        let machine = Machine::well();
        machine.write("etc/kubernetes/manifests/.kubelet-keep", "");
        is(&found(&machine), Check::Leftovers, Passed, "");
        machine.write(&format!("etc/kubernetes/{path}"), "");
        let says =
            format!("this machine is a control plane, or was one: it has /etc/kubernetes/{path}");
        is(&found(&machine), Check::Leftovers, Failed, &says);
    }
}

#[test]
fn programs_that_are_missing_or_broken_are_found() {
    let machine = Machine::well();
    machine.remove("usr/bin/losetup");
    is(&found(&machine), Check::Programs, Failed, "losetup is not on the path");
    machine.says("kubelet", "Segmentation fault");
    is(&found(&machine), Check::Programs, Failed, "does not say its version, but: Segmentation");
    machine.remove("usr/bin/kubelet");
    is(&found(&machine), Check::Programs, Failed, "kubelet is not on the path");
}

#[test]
fn a_kubelet_that_nobody_would_start_is_found() {
    let machine = Machine::well();
    machine.remove("etc/systemd/system/multi-user.target.wants");
    is(&found(&machine), Check::KubeletService, Warning, "not enabled");
    machine.remove("usr/lib/systemd/system/kubelet.service.d");
    is(&found(&machine), Check::KubeletService, Failed, "no drop-in");
    machine.remove("usr/lib/systemd/system/kubelet.service");
    is(&found(&machine), Check::KubeletService, Failed, "no systemd unit");
    machine.remove("run/systemd/system");
    is(&found(&machine), Check::KubeletService, Warning, "systemd does not run here");
    is(&found(&machine), Check::CgroupDriver, Failed, "the runtime's, systemd");
}

#[test]
fn a_runtime_that_is_not_there_or_does_not_speak_cri_is_found() {
    let machine = Machine::without_runtime();
    is(&found(&machine), Check::Runtime, Failed, "there is no container runtime");
    is(&found(&machine), Check::CgroupDriver, NotChecked, "because runtime failed");
    let runtime = Runtime::without_cri(machine.root());
    is(&found(&machine), Check::Runtime, Failed, "CRI plugin is switched off");
    // Its socket stays, as that of a runtime that crashed.
    drop(runtime);
    is(&found(&machine), Check::Runtime, Failed, "nobody answers at /run/containerd");
    machine.remove(SOCKET);
    let _runtime = Runtime::start(machine.root(), Some(1));
    is(&found(&machine), Check::CgroupDriver, Warning, "cgroupfs where systemd runs");
}

#[test]
fn of_an_old_runtime_the_configuration_tells_the_cgroup_driver() {
    let machine = Machine::without_runtime();
    let _runtime = Runtime::start(machine.root(), None);
    is(&found(&machine), Check::CgroupDriver, Warning, "too old to say");
    let section = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]";
    let write = |value| {
        let text = format!("{section}\n    SystemdCgroup = {value}\n");
        machine.write("etc/containerd/config.toml", &text);
    };
    write(true);
    is(&found(&machine), Check::CgroupDriver, Passed, "systemd, of kubelet and runtime");
    write(false);
    is(&found(&machine), Check::CgroupDriver, Warning, "the runtime's cgroupfs");
    std::os::unix::net::UnixListener::bind({
        machine.write("run/crio/a", "");
        machine.root().join("run/crio/crio.sock")
    })
    .unwrap();
    is(&found(&machine), Check::Runtime, Failed, "several container runtimes");
}
