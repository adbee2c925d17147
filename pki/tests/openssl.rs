//! What the `openssl` command, a reader we did not write, makes of our certificates and keys.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "support/command.rs"]
mod command;
mod support;

use std::{fs, path::PathBuf, process::Command};

use command::{run, try_run};
use nagaya_pki::{CertificateAuthority, Leaf, LeafRequest, ServiceAccountKey, Usage};
use support::{ca, client_request, now, serving_request};
use tempfile::TempDir;

/// A directory for the files that openssl is given.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a written file");
        path
    }
}

fn openssl(arguments: &str, file: &PathBuf) -> String {
    run(Command::new("openssl").args(arguments.split(' ')).arg(file))
}

fn purpose_holds(ca: &CertificateAuthority, leaf: &Leaf, purpose: &str) -> bool {
    let files = Files::new();
    let (root, leaf) =
        (files.write("ca.crt", ca.cert_pem()), files.write("l.crt", leaf.cert_pem()));
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(root).arg(leaf);
    try_run(&mut verify).0
}

#[test]
fn a_leaf_verifies_strictly_for_its_usage_and_no_other() {
    let ca = ca("kubernetes");
    for (usage, server, client) in [
        (Usage::ServerAuth, true, false),
        (Usage::ClientAuth, false, true),
        (Usage::Both, true, true),
    ] {
        let request = LeafRequest { usage, ..serving_request() };
        let leaf = ca.issue(&request, now()).expect("a leaf");
        assert_eq!(purpose_holds(&ca, &leaf, "sslserver"), server, "{usage:?} as a server");
        assert_eq!(purpose_holds(&ca, &leaf, "sslclient"), client, "{usage:?} as a client");
    }
}

#[test]
fn a_leaf_does_not_verify_against_another_ca_of_the_same_name() {
    let leaf = ca("kubernetes").issue(&serving_request(), now()).expect("a leaf");
    assert!(!purpose_holds(&ca("kubernetes"), &leaf, "sslserver"));
}

#[test]
fn openssl_reads_the_names_that_were_asked_for() {
    let files = Files::new();
    let ca = ca("kubernetes");
    let serving = ca.issue(&serving_request(), now()).expect("a leaf");
    let names =
        openssl("x509 -noout -ext subjectAltName -in", &files.write("s", serving.cert_pem()));
    assert!(
        names.contains(
            "DNS:kubernetes.default.svc, DNS:localhost, IP Address:10.96.0.1, \
         IP Address:172.30.0.1, IP Address:0:0:0:0:0:0:0:1"
        ),
        "{names}"
    );
    let request = client_request("kubernetes-admin", Some("kubeadm:cluster-admins"));
    let admin = ca.issue(&request, now()).expect("a leaf");
    let subject = openssl("x509 -noout -subject -in", &files.write("a", admin.cert_pem()));
    assert!(subject.contains("CN = kubernetes-admin"), "{subject}");
    assert!(subject.contains("O = kubeadm:cluster-admins"), "{subject}");
}

#[test]
fn a_certificate_authority_carries_what_kubeadm_puts_into_one() {
    let files = Files::new();
    let text = openssl("x509 -noout -text -in", &files.write("ca", ca("kubernetes").cert_pem()));
    for expected in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE",
        "X509v3 Key Usage: critical\n                \
         Digital Signature, Key Encipherment, Certificate Sign\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
        "DNS:kubernetes",
        "Public Key Algorithm: id-ecPublicKey",
        "ASN1 OID: prime256v1",
        "Signature Algorithm: ecdsa-with-SHA256",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn the_ca_hash_equals_the_recipe_of_kubeadms_documentation() {
    let files = Files::new();
    let ca = ca("kubernetes");
    let path = files.write("ca.crt", ca.cert_pem());
    // kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join, with `pkey` for `rsa`.
    let recipe = r#"openssl x509 -pubkey -in "$0" | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -hex | sed 's/^.* //'"#;
    let hex = run(Command::new("sh").args(["-c", recipe]).arg(path));
    assert_eq!(ca.spki_hash(), format!("sha256:{}", hex.trim()));
}

#[test]
fn both_halves_of_a_service_account_key_are_one_p256_key() {
    let files = Files::new();
    let key = ServiceAccountKey::generate().expect("a key");
    let private = files.write("sa.key", key.private_pem());
    let public = files.write("sa.pub", &key.public_pem());
    assert!(key.private_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(key.public_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
    assert!(openssl("pkey -check -noout -in", &private).contains("Key is valid"));
    assert!(openssl("ec -noout -text -in", &private).contains("prime256v1"));
    let derived = openssl("pkey -pubout -in", &private);
    let given = openssl("pkey -pubin -pubout -in", &public);
    assert_eq!(derived, given);
    let read = ServiceAccountKey::from_pem(key.private_pem()).expect("the key reads back");
    assert_eq!(read.public_pem(), key.public_pem());
}
