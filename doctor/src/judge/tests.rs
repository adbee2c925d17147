//! Each finding, from facts of a machine and a server that are well but for one thing.

#![allow(clippy::unnecessary_wraps, reason = "an answer, as it is among the facts")]

mod machine;
mod server;

use clap::Parser as _;
use serde_json::json;

use super::report;
use crate::cluster_info::{Ca, ClusterInfo, Signature};
use crate::facts::{
    Asked, Cgroups, Clock, Disk, Driver, Exchange, Facts, Machine, Runtime, RuntimeAnswer, Unit,
    Way, WithToken,
};
use crate::{Arguments, Check, Finding, Verdict};

const TOKEN: &str = "abcdef.0123456789abcdef";
const CONTAINERD: &str = "/run/containerd/containerd.sock";

fn hash() -> String {
    format!("sha256:{}", "a".repeat(64))
}

fn join() -> Arguments {
    join_with(&[])
}

fn join_with(more: &[&str]) -> Arguments {
    let hash = hash();
    let words = ["nagaya-doctor", "172.30.0.1:6443", "--token", TOKEN];
    let pinned = ["--discovery-token-ca-cert-hash", &hash];
    Arguments::try_parse_from(words.iter().chain(&pinned).chain(more)).unwrap()
}

fn well() -> Facts {
    Facts { machine: machine(), way: way() }
}

fn machine() -> Machine {
    Machine {
        is_root: true,
        kubelet: Ok("v1.37.1".parse().unwrap()),
        kubeadm: Ok("v1.37.1".parse().unwrap()),
        missing: Vec::new(),
        host_name: "vm-1".to_owned(),
        disks: vec![disk(50)],
        swaps: Vec::new(),
        ipv4_forward: Some(true),
        ipv6_forward: Some(false),
        bridge_nf_call: Some(true),
        cgroups: Cgroups::V2(["cpu", "cpuset", "memory", "pids"].map(str::to_owned).to_vec()),
        runs_systemd: true,
        kubelet_unit: Unit { exists: true, has_drop_in: true, is_enabled: true },
        leftovers: Vec::new(),
        control_plane: Vec::new(),
        port_holder: None,
        proxy: None,
        runtime: Runtime {
            sockets: vec![CONTAINERD.to_owned()],
            answer: Some(Ok(RuntimeAnswer {
                name: "containerd 2.4.2".to_owned(),
                driver: Some(Driver::Systemd),
            })),
            configured: None,
        },
    }
}

/// Of so much left, in percent.
fn disk(left: u64) -> Disk {
    Disk {
        path: "/var/lib/kubelet".to_owned(),
        size: 100 << 20,
        available: left << 20,
        free: left << 20,
        files: 100,
        files_free: left,
        has_images: true,
    }
}

fn way() -> Way {
    let address = "172.30.0.1:6443".parse().unwrap();
    let now = "2026-11-27T11:45:25Z".parse().unwrap();
    let exchange = Exchange {
        status: 200,
        body: Vec::new(),
        clock: Some(Clock { here: now, server: now }),
        clamped: None,
        certificate: String::new(),
    };
    let info = ClusterInfo {
        kubeconfig: String::new(),
        server: "https://172.30.0.1:6443".to_owned(),
        cas: vec![ca(hash())],
        signature: Signature::Right,
    };
    Way {
        addresses: Ok(vec![address]),
        connected: Some(Ok(address)),
        exchange: Some(Ok(exchange)),
        cluster_info: Some(Ok(info)),
        verified: Some(Ok(())),
        endpoint: Some(Ok(())),
        with_token: Some(WithToken {
            kubeadm_config: kubeadm_config("v1.37.1"),
            kubelet_config: kubelet_config("cgroupDriver: systemd"),
            node: Ok((404, Vec::new())),
            version: Ok((200, json!({"gitVersion": "v1.37.1"}).to_string().into())),
            csr_review: Ok((201, json!({"status": {"allowed": true}}).to_string().into())),
        }),
    }
}

fn ca(hash: String) -> Ca {
    Ca { hash, certificate: Vec::new().into() }
}

fn kubeadm_config(version: &str) -> Asked {
    let text = format!("kubernetesVersion: {version}\n");
    Ok((200, json!({"data": {"ClusterConfiguration": text}}).to_string().into()))
}

fn kubelet_config(text: &str) -> Asked {
    Ok((200, json!({"data": {"kubelet": text}}).to_string().into()))
}

fn status(code: u16, message: &str) -> Asked {
    Ok((code, json!({"message": message}).to_string().into()))
}

/// The finding of a check, once `change` has been done to what is well.
fn finding(join: &Arguments, check: Check, change: impl FnOnce(&mut Facts)) -> Finding {
    let mut facts = well();
    change(&mut facts);
    report(join, &facts).of(check).unwrap().clone()
}

/// That it fails so, and comes with a command.
#[track_caller]
fn fails(check: Check, says: &str, mend: &str, change: impl FnOnce(&mut Facts)) {
    is(&join(), check, Verdict::Failed, says, mend, change);
}

#[track_caller]
fn warns(check: Check, says: &str, mend: &str, change: impl FnOnce(&mut Facts)) {
    is(&join(), check, Verdict::Warning, says, mend, change);
}

#[track_caller]
fn is(
    join: &Arguments,
    check: Check,
    verdict: Verdict,
    says: &str,
    mend: &str,
    change: impl FnOnce(&mut Facts),
) {
    let finding = finding(join, check, change);
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.message.contains(says), "{says:?} is not in {:?}", finding.message);
    let command = finding.mend.clone().unwrap_or_default();
    assert!(command.contains(mend), "{mend:?} is not in {command:?}");
}

#[test]
fn where_all_is_well_each_check_passes() {
    let report = report(&join(), &well());
    let not_passed = report.findings.iter().find(|one| one.verdict != Verdict::Passed);
    assert_eq!(not_passed, None);
    assert!(report.would_join);
    assert_eq!(report.findings.len(), Check::ALL.len());
    assert!(report.text().ends_with("kubeadm join would succeed.\n"), "{}", report.text());
}

#[test]
fn what_cannot_be_checked_says_because_of_what() {
    let facts = Facts {
        way: Way {
            addresses: Err("no such host".to_owned()),
            connected: None,
            exchange: None,
            cluster_info: None,
            verified: None,
            endpoint: None,
            with_token: None,
        },
        ..well()
    };
    let report = report(&join(), &facts);
    let message = |check| report.of(check).unwrap().message.clone();
    assert_eq!(message(Check::Tcp), "not checked, because dns failed");
    assert_eq!(message(Check::Tls), "not checked, because tcp was not checked");
    assert_eq!(message(Check::NodeName), "not checked, because rights was not checked");
    assert!(!report.would_join);
}

#[test]
fn a_report_as_json_has_names_that_programs_can_rely_on() {
    let mut facts = well();
    facts.machine.swaps = vec!["/dev/sda2".to_owned()];
    let text = report(&join(), &facts).json();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["endpoint"], "172.30.0.1:6443");
    assert_eq!(read["wouldJoin"], false);
    let swap = read["findings"].as_array().unwrap().iter().find(|one| one["check"] == "swap");
    let swap = swap.unwrap();
    assert_eq!(swap["verdict"], "failed");
    assert!(swap["mend"].as_str().unwrap().starts_with("swapoff -a"), "{swap}");
    assert!(!text.contains("0123456789abcdef"), "the token's secret is told");
}
