//! Findings about the way to the API server, whom to believe, the token, versions and names.

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};
use serde_json::json;

use super::{ca, fails, finding, hash, is, join, join_with, kubeadm_config, status, warns, well};
use crate::cluster_info::{ClusterInfo, Signature};
use crate::facts::{Clamped, Clock, Exchange, Facts, Failure, Unconnected, WithToken};
use crate::judge::from_elsewhere;
use crate::{Check, Verdict};

fn exchange(facts: &mut Facts) -> &mut Exchange {
    facts.way.exchange.as_mut().unwrap().as_mut().unwrap()
}

fn info(facts: &mut Facts) -> &mut ClusterInfo {
    facts.way.cluster_info.as_mut().unwrap().as_mut().unwrap()
}

fn with_token(facts: &mut Facts) -> &mut WithToken {
    facts.way.with_token.as_mut().unwrap()
}

#[test]
fn a_name_without_an_address_and_a_port_without_a_listener_are_told_apart() {
    let mut named = join();
    named.endpoint = "demo.example.com:6443".parse().unwrap();
    is(&named, Check::Dns, Verdict::Failed, "no such host", "/etc/hosts", |facts| {
        facts.way.addresses = Err("no such host".to_owned());
    });
    let unconnected = |why| move |facts: &mut Facts| facts.way.connected = Some(Err(why));
    fails(Check::Tcp, "nobody listens", "curl", unconnected(Unconnected::Refused));
    fails(Check::Tcp, "firewall", "iptables", unconnected(Unconnected::TimedOut));
    fails(Check::Tcp, "rejects this", "iptables", unconnected(Unconnected::Unreachable));
    let unreachable = Unconnected::Other("Network is unreachable".to_owned());
    fails(Check::Tcp, "unreachable", "ip route", unconnected(unreachable));
}

#[test]
fn what_answers_has_to_be_an_api_server() {
    let failing = |why| move |facts: &mut Facts| facts.way.exchange = Some(Err(why));
    fails(Check::Tls, "serves no cluster", "base64 -d", failing(Failure::NameRefused("a".into())));
    let not_through = failing(Failure::NotThrough("a".into()));
    fails(Check::Tls, "does not get through to the API server of a", "/limited", not_through);
    fails(Check::Tls, "says nothing within 8 s", "curl", failing(Failure::TimedOut(8)));
    fails(Check::Tls, "no API server: HTTP", "curl", failing(Failure::Other("HTTP".into())));
}

#[test]
fn lost_packets_are_told_with_the_size_that_comes_through() {
    let clamped = |device: Option<&str>| Clamped { mtu: 1280, device: device.map(str::to_owned) };
    fails(Check::Mtu, "more than 1280 bytes", "ip link set dev eth0 mtu 1280", |facts| {
        exchange(facts).clamped = Some(clamped(Some("eth0")));
    });
    fails(Check::Mtu, "1280", "dev DEVICE", |facts| exchange(facts).clamped = Some(clamped(None)));
}

#[test]
fn a_clock_may_be_wrong_but_not_outside_of_the_servers_certificate() {
    let server: Timestamp = "2026-11-27T11:45:25Z".parse().unwrap();
    let ahead = |seconds| {
        move |facts: &mut Facts| {
            let here = server + SignedDuration::from_secs(seconds);
            exchange(facts).clock = Some(Clock { here, server });
        }
    };
    warns(Check::Clock, "5 min behind", "date --utc --set='2026-11-27 11:45:25'", ahead(-301));
    warns(Check::Clock, "not valid yet by it", "date --utc", ahead(-9 * 3600));
    warns(Check::Clock, "9 h ahead", "date --utc", ahead(9 * 3600));
    is(&join(), Check::Clock, Verdict::Passed, "5 min behind", "", ahead(-300));
    let ca = CertificateAuthority::generate("a", server, SignedDuration::from_hours(48)).unwrap();
    let request = LeafRequest {
        common_name: "a".to_owned(),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: vec![[172, 30, 0, 1].into()],
        usage: Usage::ServerAuth,
        validity: SignedDuration::from_hours(24),
    };
    let leaf = ca.issue(&request, server).unwrap();
    fails(Check::Clock, "is not valid by it", "date --utc", |facts| {
        ahead(25 * 3600)(facts);
        exchange(facts).certificate = leaf.cert_pem().to_owned();
    });
    is(&join(), Check::Clock, Verdict::NotChecked, "no date", "", |facts| {
        exchange(facts).clock = None;
    });
}

#[test]
fn an_api_server_without_cluster_info_says_which_way_it_has_none() {
    for (code, says) in
        [(401, "nobody ask"), (403, "nobody may read"), (404, "no ConfigMap"), (503, "answers 503")]
    {
        fails(Check::ClusterInfo, says, "kube", |facts| {
            exchange(facts).status = code;
            facts.way.cluster_info = None;
        });
    }
    fails(Check::ClusterInfo, "no key", "kubectl get configmap", |facts| {
        facts.way.cluster_info = Some(Err("it has no key `kubeconfig`".to_owned()));
    });
}

#[test]
fn a_token_is_unknown_or_mistyped_or_expired_or_not_yet_signed_for() {
    let signed = |signature, code| {
        move |facts: &mut Facts| {
            info(facts).signature = signature;
            with_token(facts).kubeadm_config = status(code, "Unauthorized");
        }
    };
    fails(Check::Token, "knows no token abcdef", "JoinToken", signed(Signature::Missing, 401));
    fails(Check::Token, "another secret", "JoinToken", signed(Signature::Wrong, 401));
    fails(Check::Token, "has expired", "JoinToken", signed(Signature::Right, 401));
    fails(Check::Token, "not signed for it yet", "sleep", signed(Signature::Missing, 200));
    fails(Check::Token, "knows no token", "JoinToken", |facts| {
        info(facts).signature = Signature::Missing;
        facts.way.with_token = None;
    });
    let rights = finding(&join(), Check::Rights, signed(Signature::Missing, 401));
    assert_eq!(rights.message, "not checked, because token failed");
}

#[test]
fn another_ca_than_the_pinned_one_is_told_with_both_hashes() {
    let other = format!("sha256:{}", "b".repeat(64));
    let change = |facts: &mut Facts| info(facts).cas = vec![ca(other.clone())];
    fails(Check::Pin, &other, "do not take it from here", change);
    fails(Check::Pin, &hash(), "base64 -d", |facts| info(facts).cas = vec![ca(other.clone())]);
}

#[test]
fn a_certificate_that_fails_says_how() {
    let at: Timestamp = "2026-11-27T11:45:25Z".parse().unwrap();
    for (failure, says, mend) in [
        (Failure::Expired(at), "ended before", "timedatectl"),
        (Failure::NotYetValid(at), "begins after", "timedatectl"),
        (Failure::OtherName("a".to_owned()), "not for a", "spec.expose.hostname"),
        (Failure::OtherIssuer, "another CA", "openssl s_client"),
        (Failure::OtherClusterInfo, "somebody in between answered first", "do not join"),
        (Failure::TimedOut(8), "no answer", "curl"),
    ] {
        let failing = failure.clone();
        fails(Check::Certificate, says, mend, |facts| facts.way.verified = Some(Err(failing)));
        fails(Check::Endpoint, "another endpoint", mend, |facts| {
            info(facts).server = "https://other:6443".to_owned();
            facts.way.endpoint = Some(Err(failure));
        });
    }
}

#[test]
fn what_the_token_may_not_is_named() {
    fails(
        Check::Rights,
        "may not read ConfigMap kube-system/kubelet-config: forbidden",
        "auth-extra-groups",
        |facts| {
            with_token(facts).kubelet_config = status(403, "forbidden");
        },
    );
    fails(Check::Rights, "kubeadm-config is not there", "upload-config", |facts| {
        with_token(facts).kubeadm_config = status(404, "not found");
    });
    fails(Check::Rights, "says 500", "again", |facts| {
        with_token(facts).node = status(500, "etcd");
    });
    fails(Check::Rights, "no answer", "again", |facts| {
        with_token(facts).node = Err(Failure::TimedOut(8));
    });
    fails(Check::Rights, "certificate signing requests", "bootstrap-token", |facts| {
        let review = json!({"status": {"allowed": false}}).to_string();
        with_token(facts).csr_review = Ok((201, review.into()));
    });
}

#[test]
fn a_node_of_the_same_name_is_a_clash_while_it_is_ready() {
    let node = |ready: &str| {
        let node = json!({"status": {"conditions": [{"type": "Ready", "status": ready}]}});
        Ok((200, node.to_string().into()))
    };
    fails(Check::NodeName, "vm-1 that is Ready", "kubectl delete node vm-1", |facts| {
        with_token(facts).node = node("True");
    });
    warns(Check::NodeName, "not Ready", "kubectl delete node vm-1", |facts| {
        with_token(facts).node = node("Unknown");
    });
}

/// That is read by who asks why a join fails.
const TABLE: &str = include_str!("../../../../docs/how-to/join-fails.md");

/// kubeadm, kubelet, API server and what comes of it: kubeadm's own constants and the skew policy.
#[test]
fn versions_beside_each_other() {
    use Verdict::{Failed, Passed, Warning};
    let any = join_with(&[]);
    let cases = [
        ("v1.37.1", "v1.37.1", "v1.37.1", Passed, ""),
        ("v1.37.1", "v1.36.3", "v1.37.1", Passed, ""),
        ("v1.36.3", "v1.36.3", "v1.37.1", Passed, ""),
        ("v1.35.4", "v1.35.4", "v1.37.1", Passed, ""),
        ("v1.37.1", "v1.36.3", "v1.36.3", Passed, ""),
        ("v1.37.1", "v1.37.1", "v1.36.3", Warning, "newer than the API server"),
        ("v1.36.3", "v1.37.1", "v1.37.1", Warning, "newer than kubeadm"),
        ("v1.33.1", "v1.33.1", "v1.37.1", Warning, "more than three minors"),
        ("v1.37.1", "v1.37.1", "v1.35.4", Failed, "joins clusters from 1.36 on"),
        ("v1.37.1", "v1.33.1", "v1.37.1", Failed, "as old as v1.33.1"),
        ("v1.34.1", "v1.35.4", "v1.35.4", Failed, "a flag that v1.35.4 does not know"),
    ];
    assert_eq!(TABLE.lines().filter(|line| line.starts_with("| 1.3")).count(), cases.len());
    for (kubeadm, kubelet, server, verdict, says) in cases {
        let [kubeadm_minor, kubelet_minor, minor] =
            [kubeadm, kubelet, server].map(|version| &version[1..5]);
        let outcome = match verdict {
            Passed => "joins",
            Warning => "a warning: ",
            _ => "refused: ",
        };
        let row = format!("\n| {kubeadm_minor} | {kubelet_minor} | {minor} | {outcome}");
        assert!(TABLE.contains(&row), "{row} is not in the table of join-fails.md");
        let mend = if verdict == Passed { String::new() } else { format!("kubeadm='{minor}.*'") };
        is(&any, Check::Versions, verdict, says, &mend, |facts| {
            facts.machine.kubeadm = Ok(kubeadm.parse().unwrap());
            facts.machine.kubelet = Ok(kubelet.parse().unwrap());
            with_token(facts).kubeadm_config = kubeadm_config(server);
            let version = json!({"gitVersion": server}).to_string();
            with_token(facts).version = Ok((200, version.into()));
        });
    }
}

#[test]
fn another_host_sees_the_way_and_says_which_machines_the_api_server_takes() {
    let checks = [Check::FROM_ELSEWHERE, Check::WITH_TOKEN].concat();
    let mut way = well().way;
    let found = from_elsewhere(&checks, &join(), &way);
    assert!(found.iter().all(|one| one.verdict == Verdict::Passed), "{found:#?}");
    let versions = found.last().unwrap();
    let words = "v1.37.1: kubeadm up to 1.38 joins it; kubelets of 1.34 to 1.37 are supported";
    assert!(versions.message.contains(words), "{versions:?}");
    way.connected = Some(Err(Unconnected::Refused));
    let found = from_elsewhere(&checks, &join(), &way);
    let of = |check: Check| found.iter().find(|one| one.check == check.name()).unwrap();
    assert_eq!(of(Check::Tcp).verdict, Verdict::Failed);
    assert_eq!(of(Check::Versions).message, "not checked, because rights was not checked");
}
