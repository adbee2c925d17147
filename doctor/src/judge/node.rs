//! The machine: programs, the kubelet's service, what an earlier join left, the port, the name, the runtime.

use super::{Judgement, failed, node_name, passed, warning};
use crate::Arguments;
use crate::facts::{Machine, Unit};

/// Debian's; those of other distributions have other commands for the same.
const INSTALL: &str = "apt-get update && apt-get install -y";
const CONTAINERD_CONFIG: &str = "mkdir -p /etc/containerd && containerd config default \
    | sed 's/SystemdCgroup = false/SystemdCgroup = true/' > /etc/containerd/config.toml && systemctl restart containerd";
/// What kubeadm's drop-in does. The flags are the last that kubeadm writes.
const WITHOUT_SYSTEMD: &str =
    "(until [ -e /var/lib/kubelet/kubeadm-flags.env ]; do sleep 1; done; . /var/lib/kubelet/kubeadm-flags.env
exec kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \
    --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS) &    # before the join";
/// Asks before it does anything.
const LEAVE: &str =
    "kubeadm reset    # if it is to leave its cluster: grep server: /etc/kubernetes/kubelet.conf";
const CONTROL_PLANE: &str =
    "ls -R /etc/kubernetes    # do not reset it: its cluster would be gone; join another machine";

pub fn privileges(join: &Arguments, machine: &Machine) -> Judgement {
    const AS_ROOT: &str = "sudo nagaya-doctor …";
    if machine.is_root {
        return passed("this is root");
    }
    if join.ignores("IsPrivilegedUser") {
        return warning(
            "this is not root: kubeadm is told to go on, and some is not seen",
            AS_ROOT,
        );
    }
    failed("kubeadm join has to be run by root, and so has this", AS_ROOT)
}

pub fn programs(join: &Arguments, machine: &Machine) -> Judgement {
    let (kubeadm, kubelet) = match (&machine.kubeadm, &machine.kubelet) {
        (Ok(kubeadm), Ok(kubelet)) => (kubeadm, kubelet),
        (Err(why), _) => return failed(format!("kubeadm: {why}"), install("kubeadm")),
        (_, Err(why)) => return failed(format!("kubelet: {why}"), install("kubelet")),
    };
    let missing = |name: &&&str| !join.ignores(&format!("FileExisting-{name}"));
    if let Some(name) = machine.missing.iter().find(missing) {
        return failed(format!("{name} is not on the path"), install(package(name)));
    }
    if let Some(name) = machine.missing.first() {
        return warning(format!("{name} is not on the path"), install(package(name)));
    }
    passed(format!("kubeadm {kubeadm}, kubelet {kubelet}"))
}

/// The one that has this program: `mount` also has `losetup`.
fn package(program: &str) -> &'static str {
    if program == "cp" { "coreutils" } else { "mount" }
}

fn install(package: &str) -> String {
    format!("{INSTALL} {package}")
}

pub fn kubelet_service(machine: &Machine) -> Judgement {
    const AGAIN: &str = "apt-get install --reinstall -y kubeadm kubelet && systemctl daemon-reload";
    if !machine.runs_systemd {
        return warning(
            "systemd does not run here: kubeadm starts no kubelet, something else has to as soon as \
             /var/lib/kubelet/config.yaml is there",
            WITHOUT_SYSTEMD,
        );
    }
    match machine.kubelet_unit {
        Unit { exists: false, .. } => failed("there is no systemd unit kubelet.service", AGAIN),
        Unit { has_drop_in: false, .. } => failed(
            "kubelet.service has no drop-in of kubeadm's (10-kubeadm.conf): the kubelet would never see its kubeconfig",
            AGAIN,
        ),
        Unit { is_enabled: false, .. } => warning(
            "kubelet.service is not enabled: the node would not come back after a reboot",
            "systemctl enable kubelet",
        ),
        _ => passed("kubelet.service is there, with kubeadm's drop-in, and enabled"),
    }
}

pub fn leftovers(join: &Arguments, machine: &Machine) -> Judgement {
    if !machine.control_plane.is_empty() {
        // What undoes a join would end that cluster as well, and its CA's key is nowhere else.
        return failed(
            format!(
                "this machine is a control plane, or was one: it has {}",
                machine.control_plane.join(", ")
            ),
            CONTROL_PLANE,
        );
    }
    if machine.leftovers.is_empty() {
        return passed("nothing is left of an earlier join");
    }
    let left = machine.leftovers.join(", ");
    let holder = machine.port_holder.as_deref();
    if holder.is_some_and(|holder| holder.contains("kubelet")) {
        return failed(
            format!(
                "this machine is a node already: its kubelet runs, and an earlier join has left {left}"
            ),
            LEAVE,
        );
    }
    let message = format!("an earlier join has left {left}");
    let mend = "kubeadm reset --force && rm -rf /etc/kubernetes/pki /var/lib/kubelet/pki";
    if machine.leftovers.iter().all(|path| is_passed_over(join, path)) {
        return warning(format!("{message}: kubeadm is told to go on with that"), mend);
    }
    failed(message, mend)
}

/// Of the kubelet's own files kubeadm has no check that could be passed over.
fn is_passed_over(join: &Arguments, path: &str) -> bool {
    let preflight = format!("FileAvailable-{}", path.replace('/', "-"));
    path.starts_with("/etc/kubernetes/") && join.ignores(&preflight)
}

pub fn port(machine: &Machine) -> Judgement {
    let Some(holder) = &machine.port_holder else {
        return passed("port 10250 is free");
    };
    let is_kubelet = holder.contains("kubelet");
    let in_use = format!("port 10250, which is the kubelet's, is in use by {holder}");
    let message =
        if is_kubelet { format!("this machine is a node already: {in_use}") } else { in_use };
    let mend = if !machine.control_plane.is_empty() {
        CONTROL_PLANE
    } else if is_kubelet {
        LEAVE
    } else {
        "fuser --kill 10250/tcp"
    };
    failed(message, mend)
}

pub fn host_name(join: &Arguments, machine: &Machine) -> Judgement {
    let name = node_name(join, &machine.host_name);
    let mend = match join.node_name {
        Some(_) => "kubeadm join … --node-name=NAME",
        None => "hostnamectl set-hostname NAME",
    };
    if name.is_empty() || name == "localhost" || name == "localhost.localdomain" {
        return failed(format!("{name:?} is the name of every machine that has none"), mend);
    }
    let is_label = |label: &str| {
        let edges_fit = !label.starts_with('-') && !label.ends_with('-');
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        !label.is_empty() && edges_fit && label.bytes().all(fits)
    };
    if name.len() > 63 || !name.split('.').all(is_label) {
        return failed(
            format!(
                "{name:?} cannot be a node's name: letters, digits, dots and dashes, 63 of them at most"
            ),
            mend,
        );
    }
    passed(format!("the node will be called {name}"))
}

pub fn runtime(machine: &Machine) -> Judgement {
    let runtime = &machine.runtime;
    if runtime.sockets.len() > 1 {
        let all = runtime.sockets.join(", ");
        return failed(
            format!("there are several container runtimes: {all}"),
            format!("kubeadm join … --cri-socket=unix://{}", runtime.sockets[0]),
        );
    }
    match (&runtime.answer, runtime.sockets.first()) {
        (Some(Ok(answer)), Some(socket)) => passed(format!("{} answers at {socket}", answer.name)),
        (Some(Err(why)), Some(socket)) if why.contains("unknown service") => failed(
            format!(
                "what listens at {socket} does not speak CRI v1: {why}; its CRI plugin is switched off, or too old"
            ),
            CONTAINERD_CONFIG,
        ),
        (Some(Err(why)), Some(socket)) => failed(
            format!("nobody answers at {socket}: {why}"),
            "systemctl restart containerd && journalctl -u containerd -n 20 --no-pager",
        ),
        _ => failed(
            "there is no container runtime: none of the sockets of containerd, CRI-O and cri-dockerd is there",
            format!("{INSTALL} containerd && {CONTAINERD_CONFIG}"),
        ),
    }
}
