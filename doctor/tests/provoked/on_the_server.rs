//! What goes wrong at a real kube-apiserver.

use std::process::{Command, Output};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nagaya_doctor::Check;
use nagaya_doctor::Verdict::{Failed, NotChecked, Passed, Warning};
use nagaya_doctor::{Ground, Report, examine};
use nagaya_pki::CertificateAuthority;

use crate::kubernetes::Kubernetes;
use crate::machine::Machine;
use crate::{TOKEN, ground, is, join, processes, servers};

const EXPIRED: &str = "expire.0123456789abcdef";
const UNSIGNED: &str = "unsign.0123456789abcdef";
const WITHOUT_GROUP: &str = "nogrup.0123456789abcdef";

/// One server for all: it takes most of the time.
#[test]
fn what_a_real_api_server_refuses_is_said_beforehand() {
    let server = Kubernetes::start();
    server.good_token(TOKEN);
    server.good_token(UNSIGNED);
    server.token(
        EXPIRED,
        "2026-01-01T00:00:00Z",
        &["system:bootstrappers:kubeadm:default-node-token"],
    );
    server.token(WITHOUT_GROUP, "2126-01-01T00:00:00Z", &[]);
    well_signed(&server);
    let machine = Machine::well();
    the_program_says_that_it_would_join(&server, &machine);
    pins_and_tokens(&server, &machine);
    clocks(&server, &machine);
    versions_and_configuration(&server);
    names(&server, &machine);
    narrow_ways(&server, &machine);
    a_moment_of_silence(&server, &machine);
    other_endpoints(&server, &machine);
    server.nobody_may_read_cluster_info();
    is(&look(&server, &machine), Check::ClusterInfo, Failed, "nobody may read");
}

fn well_signed(server: &Kubernetes) {
    let url = format!("https://{}", server.address);
    server.cluster_info(&url, &server.ca, &[TOKEN, EXPIRED, WITHOUT_GROUP]);
}

fn look(server: &Kubernetes, machine: &Machine) -> Report {
    look_with(server, machine, TOKEN)
}

fn look_with(server: &Kubernetes, machine: &Machine, token: &str) -> Report {
    examine(&join(&server.endpoint(), token, Some(&server.hash)), &ground(machine))
}

fn the_program_says_that_it_would_join(server: &Kubernetes, machine: &Machine) {
    let run = |words: &[&str]| -> Output {
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_nagaya-doctor"));
        doctor.arg(server.endpoint()).args(words).arg("--root").arg(machine.root());
        doctor.env_remove("HTTPS_PROXY").env_remove("https_proxy").output().unwrap()
    };
    let hash = format!("--discovery-token-ca-cert-hash={}", server.hash);
    let good = run(&["--token", TOKEN, &hash]);
    let said = String::from_utf8(good.stdout).unwrap();
    assert!(said.ends_with("kubeadm join would succeed.\n"), "{said}");
    assert_eq!(good.status.code(), Some(0));
    let unknown = run(&["--token", "zzzzzz.0123456789abcdef", &hash, "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&unknown.stdout).unwrap();
    assert_eq!(said["wouldJoin"], false);
    assert_eq!(unknown.status.code(), Some(1));
    let usage = run(&["--token", TOKEN]);
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
    let unpinned = run(&["--token", TOKEN, "--discovery-token-unsafe-skip-ca-verification"]);
    assert_eq!(unpinned.status.code(), Some(0));
}

fn pins_and_tokens(server: &Kubernetes, machine: &Machine) {
    let report = examine(&join(&server.endpoint(), TOKEN, None), &ground(machine));
    is(&report, Check::Token, Passed, "is signed for the token abcdef");
    is(&report, Check::Pin, Failed, &server.hash);
    is(&report, Check::Certificate, NotChecked, "because pin failed");
    for (token, says) in [
        ("zzzzzz.0123456789abcdef", "the cluster knows no token zzzzzz"),
        ("abcdef.0000000000000000", "with another secret"),
        (EXPIRED, "it has expired"),
        (UNSIGNED, "is not signed for it yet"),
    ] {
        let report = look_with(server, machine, token);
        is(&report, Check::Token, Failed, says);
        is(&report, Check::Pin, Passed, &server.hash);
        is(&report, Check::Rights, NotChecked, "because token failed");
    }
    let report = look_with(server, machine, WITHOUT_GROUP);
    is(&report, Check::Token, Passed, "");
    is(&report, Check::Rights, Failed, "may not read ConfigMap kube-system/kubeadm-config");
    is(&report, Check::Rights, Failed, "system:bootstrap:nogrup");
}

fn clocks(server: &Kubernetes, machine: &Machine) {
    let by_a_clock = |clock_ahead| {
        let ground = Ground { clock_ahead, ..ground(machine) };
        examine(&join(&server.endpoint(), TOKEN, Some(&server.hash)), &ground)
    };
    let report = by_a_clock(SignedDuration::from_secs(-570));
    is(&report, Check::Clock, Failed, "9 min behind");
    is(&report, Check::Certificate, Failed, "begins after");
    let report = by_a_clock(SignedDuration::from_hours(30));
    is(&report, Check::Clock, Failed, "30 h ahead");
    is(&report, Check::Certificate, Failed, "ended before");
    let report = by_a_clock(SignedDuration::from_hours(3));
    is(&report, Check::Clock, Warning, "3 h ahead");
    is(&report, Check::Certificate, Passed, "");
}

fn versions_and_configuration(server: &Kubernetes) {
    let machine = Machine::well();
    is(&look(server, &machine), Check::Versions, Passed, "API server v1.37.1");
    machine.says("kubelet", "Kubernetes v1.38.0");
    is(&look(server, &machine), Check::Versions, Warning, "newer than the API server");
    machine.says("kubeadm", "v1.39.0");
    is(&look(server, &machine), Check::Versions, Failed, "joins clusters from 1.38 on");
    machine.write("proc/swaps", "Filename\n/swapfile file 1 0 -2\n");
    is(&look(server, &machine), Check::Swap, Failed, "/swapfile");
    server.kubelet_config("cgroupDriver: systemd\nfailSwapOn: false\n");
    is(&look(server, &machine), Check::Swap, Passed, "accept it");
}

fn names(server: &Kubernetes, machine: &Machine) {
    is(&look(server, machine), Check::NodeName, Passed, "no node is called vm-1 yet");
    server.node("vm-1", "True");
    is(&look(server, machine), Check::NodeName, Failed, "has a node vm-1 that is Ready");
    server.node("vm-1", "Unknown");
    is(&look(server, machine), Check::NodeName, Warning, "not Ready");
    server.delete("/api/v1/nodes/vm-1");
}

fn narrow_ways(server: &Kubernetes, machine: &Machine) {
    let narrow = servers::narrow(server.address, 1300).to_string();
    // After 10 s the API server ends a handshake that stands still.
    let ground = Ground { patience: Duration::from_secs(8), ..ground(machine) };
    let report = examine(&join(&narrow, TOKEN, Some(&server.hash)), &ground);
    is(&report, Check::Tls, Passed, "answers 200");
    is(&report, Check::Mtu, Failed, "packets of more than 1280 bytes get lost");
    // All else is looked at by small packets.
    is(&report, Check::NodeName, Passed, "");
}

fn a_moment_of_silence(server: &Kubernetes, machine: &Machine) {
    let hesitant = servers::hesitant(server.address).to_string();
    let ground = Ground { patience: Duration::from_secs(8), ..ground(machine) };
    let report = examine(&join(&hesitant, TOKEN, Some(&server.hash)), &ground);
    is(&report, Check::Mtu, Passed, "full-size packets come through");
}

fn other_endpoints(server: &Kubernetes, machine: &Machine) {
    // The certificate is for the address.
    let by_name = format!("localhost:{}", server.address.port());
    let report = examine(&join(&by_name, TOKEN, Some(&server.hash)), &ground(machine));
    is(&report, Check::Certificate, Failed, "not for localhost");
    server.cluster_info(&format!("https://{}", processes::free_address()), &server.ca, &[TOKEN]);
    is(&look(server, machine), Check::Endpoint, Failed, "nobody listens there");
    let day = SignedDuration::from_hours(24);
    let other = CertificateAuthority::generate("another", Timestamp::now(), day).unwrap();
    let url = format!("https://{}", server.address);
    server.cluster_info(&url, other.cert_pem(), &[TOKEN]);
    let pinned = join(&server.endpoint(), TOKEN, Some(other.spki_hash()));
    is(&examine(&pinned, &ground(machine)), Check::Certificate, Failed, "signed by another CA");
    well_signed(server);
}
