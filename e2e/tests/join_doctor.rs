//! The join doctor on a real machine: it says yes where stock kubeadm joins, and where it is made to fail, why.

use std::time::Duration;

use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{JoinAttempt, Look, Machine, Outcome, Tenant, ensure, scenario, wait_until};

const NODE_READY: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(30);

#[test]
fn the_doctor_says_beforehand_what_kubeadm_meets() -> Outcome {
    scenario("doctor", |project| {
        let tenant = Tenant::create(project, "demo", &spec_for_namespaces("1.37"))?;
        tenant.await_ready()?;
        let secret = tenant.token("good", "1h")?.secret()?;
        let good = JoinAttempt::from(&secret);
        let machine = Machine::add("ring-doctor", "1.37")?;
        machine.install_doctor()?;
        machine.diagnose(&good, &[])?.is_well()?;
        wrong_words(&machine, &good)?;
        a_deleted_token(&tenant, &machine)?;
        the_machine_itself(&machine, &good)?;
        the_way(&machine, &good)?;
        // It was right at first: nothing that was done since is left, and kubeadm joins.
        machine.diagnose(&good, &[])?.is_well()?;
        machine.join(&secret)?;
        machine.await_ready(&tenant.admin()?, NODE_READY)?;
        what_a_join_leaves(&machine, &good)
    })
}

/// What kubeadm refuses too, after its time limit and in other words.
fn wrong_words(machine: &Machine, good: &JoinAttempt) -> Outcome {
    let (id, _) = good.token.split_once('.').unwrap_or_default();
    let with_token = |token: String| JoinAttempt { token, ..good.clone() };
    let ca_cert_hash = format!("sha256:{}", "0".repeat(64));
    let wrong = [
        ("token", "knows no token", with_token("abcdef.0123456789abcdef".to_owned())),
        ("token", "another secret", with_token(format!("{id}.0123456789abcdef"))),
        ("pin", &good.ca_cert_hash, JoinAttempt { ca_cert_hash, ..good.clone() }),
    ];
    for (check, words, attempt) in wrong {
        machine.diagnose(&attempt, &[])?.says(check, "failed", words)?;
        let joined = machine.try_join(&attempt)?;
        ensure(joined.is_err(), || format!("kubeadm joined with {attempt:?}"))?;
    }
    let (host, _) = good.endpoint.rsplit_once(':').unwrap_or_default();
    let elsewhere = JoinAttempt { endpoint: format!("{host}:65001"), ..good.clone() };
    machine.diagnose(&elsewhere, &[])?.says("tcp", "failed", "nobody listens")
}

fn a_deleted_token(tenant: &Tenant<'_>, machine: &Machine) -> Outcome {
    let token = tenant.token("deleted", "1h")?;
    let attempt = JoinAttempt::from(&token.secret()?);
    machine.diagnose(&attempt, &[])?.is_well()?;
    token.delete()?;
    // Its signature goes before the last API server has heard that it is deleted.
    wait_until("the doctor says that the token was deleted", SOON, || {
        let said = machine.diagnose(&attempt, &[])?.says("token", "failed", "expired, was deleted");
        Ok(Look::done_if(said.is_ok(), || said.err().map(|it| it.to_string()).unwrap_or_default()))
    })
}

fn the_machine_itself(machine: &Machine, good: &JoinAttempt) -> Outcome {
    let nowhere = machine.diagnose(good, &["--cri-socket=unix:///run/nowhere.sock"])?;
    nowhere.says("runtime", "failed", "/run/nowhere.sock")?;
    nowhere.says("cgroup-driver", "notChecked", "runtime failed")?;
    let forwarding = |value| format!("echo {value} > /proc/sys/net/ipv4/ip_forward");
    machine.run(&["sh", "-c", &forwarding(0)])?;
    let diagnosis = machine.diagnose(good, &[])?;
    machine.run(&["sh", "-c", &forwarding(1)])?;
    diagnosis.says("ip-forward", "failed", "net.ipv4.ip_forward")?;
    machine.run(&[
        "sh",
        "-c",
        "mkdir -p /etc/kubernetes/pki && touch /etc/kubernetes/pki/ca.crt",
    ])?;
    let diagnosis = machine.diagnose(good, &[])?;
    machine.run(&["rm", "/etc/kubernetes/pki/ca.crt"])?;
    diagnosis.says("leftovers", "failed", "/etc/kubernetes/pki/ca.crt")?;
    machine.run(&["mv", "/usr/bin/kubelet", "/usr/bin/kubelet.away"])?;
    let diagnosis = machine.diagnose(good, &[])?;
    machine.run(&["mv", "/usr/bin/kubelet.away", "/usr/bin/kubelet"])?;
    diagnosis.says("programs", "failed", "kubelet")?;
    let named = machine.diagnose(good, &["--node-name=my_vm"])?;
    named.says("host-name", "failed", "my_vm")
}

/// Packets that a firewall drops: all of them, and those of a full size.
fn the_way(machine: &Machine, good: &JoinAttempt) -> Outcome {
    let (_, port) = good.endpoint.rsplit_once(':').unwrap_or_default();
    for (check, words, which) in
        [("tcp", "firewall", ""), ("mtu", "packets of more than", "-m length --length 1301:65535")]
    {
        let rule = |verb: &str| {
            let rule = format!("iptables {verb} OUTPUT -p tcp --dport {port} {which} -j DROP");
            // Whole segments reach the rule only one by one.
            let alone =
                "for d in /sys/class/net/*; do ip link set dev ${d##*/} gso_max_segs 1; done";
            machine.run(&["sh", "-c", &format!("{alone}; {rule}")])
        };
        rule("-A")?;
        let diagnosis = machine.diagnose(good, &[]);
        rule("-D")?;
        diagnosis?.says(check, "failed", words)?;
    }
    Ok(())
}

fn what_a_join_leaves(machine: &Machine, good: &JoinAttempt) -> Outcome {
    let again = machine.diagnose(good, &[])?;
    again.says("leftovers", "failed", "/etc/kubernetes/kubelet.conf")?;
    again.says("leftovers", "failed", "kubelet-client-current.pem")?;
    again.says("port", "failed", "kubelet (process")?;
    again.says("node-name", "failed", machine.name())
}
