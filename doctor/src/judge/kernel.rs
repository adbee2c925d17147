//! The kernel, as the kubelet wants it: swap, forwarding, bridges, cgroups.

use super::versions::KubeletConfig;
use super::{Judgement, failed, passed, warning};
use crate::Arguments;
use crate::facts::{Cgroups, Driver, Machine};

/// The minor from which on kubelet and kubeadm refuse cgroup v1 (KEP-5573).
const WITHOUT_CGROUP_V1: u16 = 35;
/// Of those that kubeadm's `SystemVerification` wants, the ones that `cgroup.controllers` lists.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
const SWAP_OFF: &str =
    "swapoff -a && sed -i -E '/^[^#].*[[:space:]]swap[[:space:]]/s/^/#/' /etc/fstab";

pub fn swap(machine: &Machine, config: Option<&KubeletConfig>) -> Judgement {
    if machine.swaps.is_empty() {
        return passed("there is no swap");
    }
    let devices = machine.swaps.join(", ");
    if config.is_some_and(|config| config.fail_swap_on == Some(false)) {
        return passed(format!("swap is on ({devices}), and this cluster's kubelets accept it"));
    }
    failed(format!("swap is on ({devices}): the kubelet would not start"), SWAP_OFF)
}

pub fn ip_forward(join: &Arguments, machine: &Machine) -> Judgement {
    let (is_on, key, preflight) = if join.endpoint.host.contains(':') {
        let key = "net.ipv6.conf.default.forwarding";
        (machine.ipv6_forward, key, "FileContent--proc-sys-net-ipv6-conf-default-forwarding")
    } else {
        (machine.ipv4_forward, "net.ipv4.ip_forward", "FileContent--proc-sys-net-ipv4-ip_forward")
    };
    if is_on == Some(true) {
        return passed(format!("{key} is 1"));
    }
    let mend = set(key);
    let is_address = join.endpoint.is_ipv4() || join.endpoint.host.contains(':');
    if is_address && !join.ignores(preflight) {
        return failed(format!("{key} is not 1: kubeadm refuses that"), mend);
    }
    warning(format!("{key} is not 1: pods of this node would reach nobody outside of it"), mend)
}

pub fn bridge_netfilter(machine: &Machine) -> Judgement {
    const KEY: &str = "net.bridge.bridge-nf-call-iptables";
    match machine.bridge_nf_call {
        Some(true) => passed(format!("{KEY} is 1")),
        Some(false) => warning(
            format!(
                "{KEY} is 0: with a CNI that uses a bridge, Services fail for pods of the same node"
            ),
            set(KEY),
        ),
        None => warning(
            "br_netfilter is not there: with a CNI that uses a bridge, Services fail for pods of the same node",
            format!(
                "modprobe br_netfilter && echo br_netfilter > /etc/modules-load.d/kubernetes.conf && {}",
                set(KEY)
            ),
        ),
    }
}

fn set(key: &str) -> String {
    format!(
        "echo '{key} = 1' > /etc/sysctl.d/90-{}.conf && sysctl --system",
        key.rsplit('.').next().unwrap_or(key).replace('_', "-")
    )
}

pub fn cgroups(join: &Arguments, machine: &Machine, config: Option<&KubeletConfig>) -> Judgement {
    const V2: &str = "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub \
        && update-grub && reboot";
    const MISSING: &str = "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&cgroup_enable=memory /' /etc/default/grub \
        && update-grub && reboot";
    match &machine.cgroups {
        Cgroups::None => {
            failed("/sys/fs/cgroup has no cgroups", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
        }
        Cgroups::V2(controllers) => {
            let missing =
                CONTROLLERS.iter().find(|name| !controllers.iter().any(|one| one == *name));
            match missing {
                None => passed("cgroup v2, with all controllers that are needed"),
                Some(name) => failed(format!("cgroup v2 has no controller {name} here"), MISSING),
            }
        }
        Cgroups::V1 => {
            let minor = machine.kubelet.as_ref().map_or(u16::MAX, |version| version.minor);
            if minor < WITHOUT_CGROUP_V1 {
                return warning("cgroup v1: kubelets from 1.35 on refuse it", V2);
            }
            if config.is_none_or(|config| config.fail_cgroup_v1 != Some(false)) {
                return failed(
                    "cgroup v1: kubelets from 1.35 on do not start on it, unless their cluster's kubelet-config says failCgroupV1: false",
                    V2,
                );
            }
            if join.ignores("SystemVerification") {
                return warning("cgroup v1, which this cluster's kubelets accept", V2);
            }
            failed(
                "cgroup v1: this cluster's kubelets accept it, kubeadm has to be told to",
                "kubeadm join … --ignore-preflight-errors=SystemVerification",
            )
        }
    }
}

/// A runtime that says its driver is believed by the kubelet (`getCgroupDriverFromCRI` in `cmd/kubelet/app/server.go`).
pub fn cgroup_driver(machine: &Machine, config: Option<&KubeletConfig>) -> Judgement {
    let told = machine.runtime.answer.as_ref().and_then(|answer| answer.as_ref().ok()?.driver);
    // kubeadm writes systemd where nobody says otherwise.
    let wanted = config.and_then(|config| config.cgroup_driver).unwrap_or(Driver::Systemd);
    let (kubelet, runtime) = (told.unwrap_or(wanted), told.or(machine.runtime.configured));
    if kubelet == Driver::Systemd && !machine.runs_systemd {
        let whose = if told.is_some() { "the runtime's" } else { "the cluster's kubelet-config's" };
        return failed(
            format!("the cgroup driver is {whose}, systemd, and systemd does not run here"),
            "sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' /etc/containerd/config.toml && service containerd restart",
        );
    }
    let to_systemd = "sed -i 's/SystemdCgroup = false/SystemdCgroup = true/' /etc/containerd/config.toml && systemctl restart containerd";
    match (kubelet, runtime) {
        (Driver::Cgroupfs, Some(Driver::Systemd)) => failed(
            "the runtime's cgroup driver is systemd, the kubelet's cgroupfs: no pod would start",
            "sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' /etc/containerd/config.toml && systemctl restart containerd",
        ),
        (Driver::Systemd, Some(Driver::Cgroupfs)) => warning(
            "the kubelet's cgroup driver is systemd, the runtime's cgroupfs: two manage one hierarchy",
            to_systemd,
        ),
        (Driver::Cgroupfs, _) if machine.runs_systemd => warning(
            "the cgroup driver is cgroupfs where systemd runs: two manage one hierarchy",
            to_systemd,
        ),
        (_, None) => warning(
            "the kubelet's cgroup driver is systemd; the runtime is too old to say what its own is",
            "containerd config dump | grep SystemdCgroup",
        ),
        (Driver::Systemd, _) => passed("systemd, of kubelet and runtime"),
        (Driver::Cgroupfs, _) => passed("cgroupfs, of kubelet and runtime"),
    }
}
