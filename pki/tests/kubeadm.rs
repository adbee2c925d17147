//! What an unmodified kubeadm makes of our files, and we of its. The environment variable
//! `KUBEADM` names the binary; `make test` sets it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "support/command.rs"]
mod command;
#[path = "support/kubeadm_home.rs"]
mod kubeadm_home;
mod support;

use std::fs;

use command::{run, try_run};
use kubeadm_home::{Home, contents, kubeadm};
use nagaya_pki::{BootstrapToken, CertificateAuthority, CertificateInfo, Kubeconfig, Trust, Usage};
use support::{ca, client_request, now, serving_request};

/// Nothing listens here: no test needs an API server.
const SERVER: &str = "https://127.0.0.1:6443";
const TOKEN: &str = "abcdef.0123456789abcdef";

#[test]
fn kubeadm_finds_our_whole_pki_good_and_leaves_it_as_it_is() {
    let home = Home::new();
    let leaves = home.write_whole_pki();
    let before = contents(&home.path("pki"));
    let said = home.kubeadm("init phase certs all");
    assert_eq!(contents(&home.path("pki")), before, "kubeadm replaced a file:\n{said}");
    for name in leaves.keys() {
        assert!(said.contains(&format!("Using existing {name} certificate and key")), "{said}");
    }
    for name in ["ca", "front-proxy-ca", "etcd/ca"] {
        let line = format!("Using existing {name} certificate authority");
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.contains("Using the existing \"sa\" key"), "{said}");
}

#[test]
fn kubeadm_refuses_a_leaf_of_another_ca_so_the_test_above_can_fail() {
    let home = Home::new();
    home.write_whole_pki();
    let stranger = ca("kubernetes").issue(&serving_request(), now()).expect("a leaf");
    home.write("pki/apiserver.crt", stranger.cert_pem());
    home.write("pki/apiserver.key", stranger.key_pem());
    let config = home.path("kubeadm.yaml");
    let mut command = kubeadm();
    command.args(["init", "phase", "certs", "all", "--config"]).arg(config);
    let (succeeded, said) = try_run(&mut command);
    assert!(!succeeded && said.contains("not signed by"), "{said}");
}

#[test]
fn kubeadm_sees_our_leaves_expire_when_we_say() {
    let home = Home::new();
    let leaves = home.write_whole_pki();
    let said = home.kubeadm("certs check-expiration -o json");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let seen = report["certificates"].as_array().expect("certificates");
    for (name, not_after) in leaves {
        let name = name.replace('/', "-");
        let entry = seen.iter().find(|entry| entry["name"] == name.as_str()).expect(&name);
        assert_eq!(entry["expirationDate"], not_after.to_string(), "{name}");
    }
}

#[test]
fn kubeadm_takes_our_admin_kubeconfig_for_its_own() {
    let home = Home::new();
    home.write_whole_pki();
    let ca = CertificateAuthority::from_pem(&home.read("pki/ca.crt"), &home.read("pki/ca.key"))
        .expect("our CA");
    let request = client_request("kubernetes-admin", Some("kubeadm:cluster-admins"));
    let leaf = ca.issue(&request, now()).expect("a leaf");
    let ours = Kubeconfig::new("kubernetes", SERVER, Trust::Bundle(ca.cert_pem().to_owned()))
        .with_client_certificate("kubernetes-admin", leaf.cert_pem(), leaf.key_pem())
        .to_yaml()
        .expect("yaml");
    home.write("admin.conf", &ours);
    let directory = home.path("").display().to_string();
    let said = home.kubeadm(&format!("init phase kubeconfig admin --kubeconfig-dir {directory}"));
    assert!(said.contains("Using existing kubeconfig file"), "{said}");
    assert!(!said.contains("unexpected"), "{said}");

    fs::remove_file(home.path("admin.conf")).expect("removed");
    home.kubeadm(&format!("init phase kubeconfig admin --kubeconfig-dir {directory}"));
    let without_data = |yaml: &str| -> Vec<String> {
        let lines = yaml.lines().map(|line| line.split("-data:").next().unwrap_or(line).into());
        lines.collect()
    };
    assert_eq!(without_data(&ours), without_data(&home.read("admin.conf")));
}

#[test]
fn kubeadm_prints_our_token_and_our_hash_from_the_cluster_info_that_we_wrote() {
    let home = Home::new();
    let ca = ca("kubernetes");
    let cluster_info = Kubeconfig::cluster_info(SERVER, ca.cert_pem()).to_yaml().expect("yaml");
    home.write("cluster-info.conf", &cluster_info);
    let token: BootstrapToken = TOKEN.parse().expect("a token");
    let mut create = kubeadm();
    create.args(["token", "create", &token.to_string(), "--dry-run", "--print-join-command"]);
    let said = run(create.arg("--kubeconfig").arg(home.path("cluster-info.conf")));
    let join = format!(
        "kubeadm join 127.0.0.1:6443 --token {TOKEN} --discovery-token-ca-cert-hash {}",
        ca.spki_hash()
    );
    assert!(said.contains(&join), "no {join:?} in\n{said}");
}

#[test]
fn kubeadm_and_we_agree_on_which_tokens_are_well_formed() {
    let home = Home::new();
    let theirs = run(kubeadm().args(["token", "generate"]));
    assert!(theirs.trim().parse::<BootstrapToken>().is_ok(), "{theirs}");
    let ca = ca("kubernetes");
    let cluster_info = Kubeconfig::cluster_info(SERVER, ca.cert_pem()).to_yaml().expect("yaml");
    home.write("cluster-info.conf", &cluster_info);
    let generated = BootstrapToken::generate().expect("a token").to_string();
    for (token, well_formed) in [
        (generated.as_str(), true),
        ("abcdef.0123456789abcdeF", false),
        ("abcdef.0123456789abcde", false),
        ("abcdefg.0123456789abcdef", false),
        ("abcdef.0123456789abcdef.", false),
        ("abcdef", false),
    ] {
        let mut create = kubeadm();
        create.args(["token", "create", token, "--dry-run", "--kubeconfig"]);
        let (accepted, said) = try_run(create.arg(home.path("cluster-info.conf")));
        assert_eq!(accepted, well_formed, "kubeadm on {token:?}: {said}");
        assert_eq!(token.parse::<BootstrapToken>().is_ok(), well_formed, "ours on {token:?}");
    }
}

#[test]
fn we_read_kubeadms_certificates_and_issue_from_its_ca() {
    let home = Home::new();
    home.kubeadm("init phase certs all");
    let ca_pem = home.read("pki/ca.crt");
    let apiserver = CertificateInfo::parse(&home.read("pki/apiserver.crt")).expect("readable");
    assert_eq!(apiserver.common_name, "kube-apiserver");
    assert_eq!(apiserver.usage, Some(Usage::ServerAuth));
    assert!(apiserver.dns_names.contains("kubernetes.default.svc.cluster.local"));
    assert!(apiserver.ip_addresses.contains(&"10.96.0.1".parse().expect("ip")));
    assert!(apiserver.signed_by(&ca_pem).expect("a readable CA"));
    let etcd = CertificateInfo::parse(&home.read("pki/etcd/server.crt")).expect("readable");
    assert!(!etcd.signed_by(&ca_pem).expect("a readable CA"), "etcd has its own CA");

    let ca = CertificateAuthority::from_pem(&ca_pem, &home.read("pki/ca.key")).expect("their CA");
    home.write_family("ca", &ca, &[("apiserver-kubelet-client", client_request("x", None))]);
    let said = home.kubeadm("init phase certs apiserver-kubelet-client");
    assert!(said.contains("Using existing apiserver-kubelet-client certificate"), "{said}");
}
