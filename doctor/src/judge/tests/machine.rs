//! Findings about the machine.

use super::{CONTAINERD, disk, fails, finding, is, join, join_with, kubelet_config, warns};
use crate::facts::{Cgroups, Disk, Driver, Facts, Machine, RuntimeAnswer};
use crate::{Check, Verdict};

fn kubelets(text: &'static str) -> impl Fn(&mut Facts) {
    move |facts| facts.way.with_token.as_mut().unwrap().kubelet_config = kubelet_config(text)
}

fn answering(driver: Option<Driver>, configured: Option<Driver>) -> impl Fn(&mut Facts) {
    move |facts| {
        let runtime = &mut facts.machine.runtime;
        let name = "containerd 1.6.20".to_owned();
        runtime.answer = Some(Ok(RuntimeAnswer { name, driver }));
        runtime.configured = configured;
    }
}

#[test]
fn who_is_not_root_cannot_join() {
    fails(Check::Privileges, "root", "sudo", |facts| facts.machine.is_root = false);
}

#[test]
fn what_kubeadm_is_told_to_pass_over_is_a_warning() {
    let ignoring = |names: &str| join_with(&[&format!("--ignore-preflight-errors={names}")]);
    let not_root = |facts: &mut Facts| facts.machine.is_root = false;
    for (names, verdict) in [
        ("IsPrivilegedUser", Verdict::Warning),
        ("all", Verdict::Warning),
        ("CRI", Verdict::Failed),
    ] {
        is(&ignoring(names), Check::Privileges, verdict, "root", "sudo", not_root);
    }
    let (ca, config) = ("/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/bootstrap-kubelet.conf");
    let certificate = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let of_ca = "FileAvailable--etc-kubernetes-pki-ca.crt";
    for (names, left, verdict) in [
        (of_ca, vec![ca], Verdict::Warning),
        ("fileavailable--etc-kubernetes-pki-ca.crt", vec![ca], Verdict::Warning),
        (of_ca, vec![config, ca], Verdict::Failed),
        ("all", vec![config, ca], Verdict::Warning),
        // The kubelet goes on with it, whatever kubeadm is told.
        ("all", vec![ca, certificate], Verdict::Failed),
    ] {
        is(&ignoring(names), Check::Leftovers, verdict, left[0], "kubeadm reset", |facts| {
            facts.machine.leftovers = left.iter().map(|&path| path.to_owned()).collect();
        });
    }
}

#[test]
fn missing_programs_are_named_with_their_package() {
    let gone = |name: &str| Err(format!("{name} is not on the path"));
    fails(Check::Programs, "kubelet is not", "install -y kubelet", |facts| {
        facts.machine.kubelet = gone("kubelet");
    });
    fails(Check::Programs, "kubeadm is not", "install -y kubeadm", |facts| {
        facts.machine.kubeadm = gone("kubeadm");
    });
    let without_losetup = |facts: &mut Facts| facts.machine.missing = vec!["losetup"];
    fails(Check::Programs, "losetup", "install -y mount", without_losetup);
    let told = join_with(&["--ignore-preflight-errors=FileExisting-losetup"]);
    is(&told, Check::Programs, Verdict::Warning, "losetup", "install -y mount", without_losetup);
}

#[test]
fn without_its_unit_the_kubelet_never_starts() {
    let unit = |facts: &mut Facts, change: fn(&mut crate::facts::Unit)| {
        change(&mut facts.machine.kubelet_unit);
    };
    fails(Check::KubeletService, "no systemd unit", "--reinstall", |facts| {
        unit(facts, |unit| unit.exists = false);
    });
    fails(Check::KubeletService, "no drop-in", "--reinstall", |facts| {
        unit(facts, |unit| unit.has_drop_in = false);
    });
    warns(Check::KubeletService, "not enabled", "systemctl enable kubelet", |facts| {
        unit(facts, |unit| unit.is_enabled = false);
    });
    warns(Check::KubeletService, "systemd does not run", "exec kubelet --boot", |facts| {
        facts.machine.runs_systemd = false;
    });
}

#[test]
fn what_an_earlier_join_left_is_listed() {
    fails(Check::Leftovers, "left /etc/kubernetes/kubelet.conf", "kubeadm reset", |facts| {
        facts.machine.leftovers = vec!["/etc/kubernetes/kubelet.conf".to_owned()];
    });
}

#[test]
fn a_disk_with_less_than_kubelets_want_is_named() {
    let with = |disk: Disk| move |facts: &mut Facts| facts.machine.disks = vec![disk];
    let says = "/var/lib/kubelet has 14 of 100 MiB left, and kubelets want 15% (imagefs.available)";
    warns(Check::DiskSpace, says, "crictl rmi --prune", with(disk(14)));
    let own = Disk { has_images: false, ..disk(14) };
    is(&join(), Check::DiskSpace, Verdict::Passed, "14 of", "", with(own.clone()));
    let own = Disk { files_free: 4, ..own };
    warns(Check::DiskSpace, "4 of 100 inodes", "du -xh", with(own));
    fails(Check::DiskSpace, "is full", "crictl rmi --prune", with(disk(0)));
    let of_files = Disk { files_free: 0, ..disk(50) };
    fails(Check::DiskSpace, "no more files", "crictl rmi --prune", with(of_files));
    // As btrfs says.
    let uncounted = Disk { files: 0, files_free: 0, ..disk(50) };
    is(&join(), Check::DiskSpace, Verdict::Passed, "50 of", "", with(uncounted));
}

#[test]
fn what_the_cluster_sets_for_evictions_is_what_has_to_be_left() {
    let at = |left: u64, set: &'static str| {
        move |facts: &mut Facts| {
            kubelets(set)(facts);
            facts.machine.disks = vec![disk(left)];
        }
    };
    let set = "evictionHard: {nodefs.available: 20Mi}";
    warns(Check::DiskSpace, "want 20Mi (nodefs.available)", "crictl", at(19, set));
    // And the others are not looked at then.
    is(
        &join(),
        Check::DiskSpace,
        Verdict::Passed,
        "",
        "",
        at(14, "evictionHard: {memory.available: 1Gi}"),
    );
}

/// `kubeadm reset` there ends a cluster, and its CA's key is nowhere else.
#[test]
fn no_command_takes_anything_unasked_from_a_machine_that_is_in_a_cluster() {
    let left = vec!["/etc/kubernetes/kubelet.conf".to_owned()];
    let keys = vec!["/etc/kubernetes/pki/ca.key".to_owned()];
    let kubelet = Some("kubelet (process 7)".to_owned());
    let plane = "this machine is a control plane, or was one: it has /etc/kubernetes/pki/ca.key";
    let node = "this machine is a node already";
    for (control_plane, port_holder, check, says, mend) in [
        (&keys, &None, Check::Leftovers, plane, "join another machine"),
        (&keys, &kubelet, Check::Leftovers, plane, "join another machine"),
        (&keys, &kubelet, Check::Port, node, "join another machine"),
        (&keys, &Some("somebody".to_owned()), Check::Port, "somebody", "join another machine"),
        (&Vec::new(), &kubelet, Check::Leftovers, node, "kubeadm reset    #"),
        (&Vec::new(), &kubelet, Check::Port, node, "kubeadm reset    #"),
    ] {
        let change = |facts: &mut Facts| {
            facts.machine.leftovers.clone_from(&left);
            facts.machine.control_plane.clone_from(control_plane);
            facts.machine.port_holder.clone_from(port_holder);
        };
        fails(check, says, mend, change);
        let command = finding(&join(), check, change).mend.unwrap_or_default();
        for taking in ["--force", "rm ", "--kill"] {
            assert!(!command.contains(taking), "{check:?}: {command}");
        }
    }
}

#[test]
fn who_holds_the_port_is_named() {
    let held_by = |name: &str| {
        let name = name.to_owned();
        move |facts: &mut Facts| facts.machine.port_holder = Some(name)
    };
    let kubelet = || held_by("kubelet (process 7)");
    fails(Check::Port, "a node already: port 10250", "kubeadm reset    #", kubelet());
    fails(Check::Port, "kubelet (process 7)", "", kubelet());
    fails(Check::Port, "nginx (process 7)", "fuser --kill", held_by("nginx (process 7)"));
}

#[test]
fn a_host_name_has_to_be_one_that_a_node_may_have() {
    for name in ["localhost", "", "my_vm", "-vm", "a..b"] {
        let named = |facts: &mut Facts| facts.machine.host_name = name.to_owned();
        fails(Check::HostName, "name", "hostnamectl set-hostname", named);
    }
    let upper = finding(&join(), Check::HostName, |facts| facts.machine.host_name = "VM-2".into());
    assert_eq!(upper.message, "the node will be called vm-2");
    let told = join_with(&["--node-name=my_vm"]);
    is(&told, Check::HostName, Verdict::Failed, "my_vm", "--node-name", |_| {});
}

#[test]
fn swap_stops_a_kubelet_unless_its_cluster_accepts_it() {
    let swaps = |facts: &mut Facts| facts.machine.swaps = vec!["/dev/sda2".to_owned()];
    fails(Check::Swap, "/dev/sda2", "swapoff -a && sed", swaps);
    is(&join(), Check::Swap, Verdict::Passed, "accept it", "", |facts| {
        swaps(facts);
        kubelets("failSwapOn: false")(facts);
    });
    // Without an answer of the API server it is what kubeadm's default is.
    fails(Check::Swap, "would not start", "swapoff", |facts| {
        swaps(facts);
        facts.way.with_token = None;
    });
}

#[test]
fn forwarding_is_refused_for_an_address_and_missed_by_pods() {
    let off = |facts: &mut Facts| facts.machine.ipv4_forward = Some(false);
    fails(Check::IpForward, "net.ipv4.ip_forward", "sysctl --system", off);
    let ignored =
        join_with(&["--ignore-preflight-errors=FileContent--proc-sys-net-ipv4-ip_forward"]);
    is(&ignored, Check::IpForward, Verdict::Warning, "reach nobody", "sysctl", off);
    let mut named = join();
    named.endpoint = "demo.example.com:6443".parse().unwrap();
    is(&named, Check::IpForward, Verdict::Warning, "reach nobody", "sysctl", off);
    named.endpoint = "[fd00::1]:6443".parse().unwrap();
    is(&named, Check::IpForward, Verdict::Failed, "net.ipv6.conf.default", "sysctl", |_| {});
}

#[test]
fn bridges_have_to_be_filtered() {
    warns(Check::BridgeNetfilter, "is 0", "sysctl", |facts| {
        facts.machine.bridge_nf_call = Some(false);
    });
    warns(Check::BridgeNetfilter, "not there", "modprobe br_netfilter", |facts| {
        facts.machine.bridge_nf_call = None;
    });
}

#[test]
fn cgroup_v1_is_refused_from_1_35_on_unless_the_cluster_and_the_command_say_otherwise() {
    let on_v1 = |facts: &mut Facts| facts.machine.cgroups = Cgroups::V1;
    fails(Check::Cgroups, "do not start on it", "unified_cgroup_hierarchy", on_v1);
    let accepted = |facts: &mut Facts| {
        on_v1(facts);
        kubelets("failCgroupV1: false")(facts);
    };
    let mend = "--ignore-preflight-errors=SystemVerification";
    fails(Check::Cgroups, "kubeadm has to be told", mend, accepted);
    is(&join_with(&[mend]), Check::Cgroups, Verdict::Warning, "accept", "", accepted);
    // To be told is not enough: the kubelet itself refuses.
    is(&join_with(&[mend]), Check::Cgroups, Verdict::Failed, "do not start", "", on_v1);
    warns(Check::Cgroups, "from 1.35 on", "", |facts| {
        on_v1(facts);
        facts.machine.kubelet = Ok("v1.34.1".parse().unwrap());
    });
    fails(Check::Cgroups, "no controller memory", "cgroup_enable=memory", |facts| {
        facts.machine.cgroups = Cgroups::V2(["cpu", "cpuset", "pids"].map(str::to_owned).to_vec());
    });
    fails(Check::Cgroups, "no cgroups", "mount", |facts| facts.machine.cgroups = Cgroups::None);
}

#[test]
fn a_runtime_has_to_be_one_and_speak_cri() {
    let answer = |machine: &mut Machine, why: &str| {
        machine.runtime.answer = Some(Err(why.to_owned()));
    };
    fails(Check::Runtime, "several", "--cri-socket=unix:///run/containerd", |facts| {
        facts.machine.runtime.sockets.push("/run/crio/crio.sock".to_owned());
    });
    fails(Check::Runtime, "no container runtime", "install -y containerd", |facts| {
        facts.machine.runtime.sockets.clear();
        facts.machine.runtime.answer = None;
    });
    fails(Check::Runtime, "CRI plugin is switched off", "containerd config default", |facts| {
        answer(&mut facts.machine, "unknown service runtime.v1.RuntimeService");
    });
    fails(Check::Runtime, CONTAINERD, "systemctl restart containerd", |facts| {
        answer(&mut facts.machine, "Connection refused (os error 111)");
    });
    let driver = finding(&join(), Check::CgroupDriver, |facts| answer(&mut facts.machine, "no"));
    assert_eq!(driver.message, "not checked, because runtime failed");
}

#[test]
fn kubelet_and_runtime_have_to_agree_on_who_manages_cgroups() {
    let (systemd, cgroupfs) = (Some(Driver::Systemd), Some(Driver::Cgroupfs));
    fails(Check::CgroupDriver, "no pod would start", "SystemdCgroup = false/'", |facts| {
        answering(None, systemd)(facts);
        kubelets("cgroupDriver: cgroupfs")(facts);
    });
    warns(Check::CgroupDriver, "the runtime's cgroupfs", "SystemdCgroup = true/'", |facts| {
        answering(None, cgroupfs)(facts);
    });
    warns(Check::CgroupDriver, "too old to say", "config dump", answering(None, None));
    // A runtime that says it is believed, whatever the cluster's configuration is.
    warns(Check::CgroupDriver, "where systemd runs", "SystemdCgroup", answering(cgroupfs, systemd));
    let without_systemd = |facts: &mut Facts| facts.machine.runs_systemd = false;
    fails(Check::CgroupDriver, "systemd does not run", "SystemdCgroup = false/", |facts| {
        without_systemd(facts);
    });
    is(&join(), Check::CgroupDriver, Verdict::Passed, "cgroupfs", "", |facts| {
        without_systemd(facts);
        answering(cgroupfs, None)(facts);
    });
}

#[test]
fn a_proxy_is_told() {
    warns(Check::Proxy, "proxy:3128", "NO_PROXY,172.30.0.1", |facts| {
        facts.machine.proxy = Some("proxy:3128".to_owned());
    });
}
