//! What is issued is what was asked for, and stays within the life of its CA.

#![allow(clippy::expect_used, reason = "a test's helper fails the test")]

mod support;

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{
    CertificateAuthority, CertificateInfo, Error, LeafRequest, PrivateKey, Usage, ca_cert_hashes,
};
use support::{CA_LIFE, LEAF_LIFE, ca, client_request, now, serving_request};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn day(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn every_kind_of_request() -> Vec<LeafRequest> {
    let both = LeafRequest { usage: Usage::Both, ..serving_request() };
    let admin = client_request("kubernetes-admin", Some("kubeadm:cluster-admins"));
    vec![serving_request(), admin, both, client_request("system:kube-scheduler", None)]
}

#[test]
fn a_leaf_read_back_is_the_leaf_asked_for() {
    let ca = ca("kubernetes");
    for request in every_kind_of_request() {
        let leaf = ca.issue(&request, now()).expect("a leaf");
        let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
        assert_eq!(info.mismatch(&request), None);
        assert_eq!(info.issuer_common_name, "kubernetes");
        assert_eq!(info.not_after, leaf.not_after());
        assert!(!info.is_ca);
        assert!(info.signed_by(ca.cert_pem()).expect("a readable CA"));
        let key = PrivateKey::from_pem(leaf.key_pem()).expect("a readable key");
        assert_eq!(key.spki_hash(), info.spki_hash, "key and certificate belong together");
    }
}

#[test]
fn a_leaf_never_outlives_or_predates_its_ca() {
    let born = day("2026-01-01T00:00:00Z");
    for ca_minutes in [1, 10, 60, 525_600] {
        let ca = CertificateAuthority::generate("ca", born, MINUTE * ca_minutes).expect("a CA");
        for leaf_minutes in [1, 10, 61, 525_601] {
            for issued_after in [-5, 0, 1, 9, 59] {
                let request = LeafRequest { validity: MINUTE * leaf_minutes, ..serving_request() };
                let at = born + MINUTE * issued_after;
                let Ok(leaf) = ca.issue(&request, at) else {
                    assert!(at >= ca.not_after(), "refused at {at}, CA ends {}", ca.not_after());
                    continue;
                };
                let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
                assert_eq!(info.not_after, (at + MINUTE * leaf_minutes).min(ca.not_after()));
                assert_eq!(info.not_before, (at - MINUTE * 5).max(ca.info().not_before));
            }
        }
    }
}

#[test]
fn a_certificate_authority_starts_five_minutes_early_and_ends_as_asked() {
    let born = day("2026-01-01T00:00:00.9Z");
    let ca = CertificateAuthority::generate("kubernetes", born, CA_LIFE).expect("a CA");
    assert_eq!(ca.info().not_before, day("2025-12-31T23:55:00Z"));
    assert_eq!(ca.not_after(), day("2026-01-01T00:00:00Z") + CA_LIFE);
    assert!(ca.info().dns_names.contains("kubernetes"));
}

#[test]
fn certificates_that_end_after_2049_keep_their_date() {
    let born = day("2045-06-01T00:00:00Z");
    let ca = CertificateAuthority::generate("late", born, CA_LIFE).expect("a CA");
    assert_eq!(CertificateInfo::parse(ca.cert_pem()).expect("readable").not_after, born + CA_LIFE);
}

#[test]
fn a_certificate_authority_read_back_issues_leaves_that_the_original_vouches_for() {
    let original = ca("kubernetes");
    let read = CertificateAuthority::from_pem(original.cert_pem(), original.key_pem())
        .expect("the CA reads back");
    let leaf = read.issue(&serving_request(), now()).expect("a leaf");
    let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
    assert!(info.signed_by(original.cert_pem()).expect("a readable CA"));
    assert_eq!(read.spki_hash(), original.spki_hash());
}

#[test]
fn another_generation_with_the_same_name_did_not_sign_the_leaf() {
    let (old, new) = (ca("kubernetes"), ca("kubernetes"));
    let leaf = old.issue(&serving_request(), now()).expect("a leaf");
    let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
    assert!(!info.signed_by(new.cert_pem()).expect("a readable CA"));
    let bundle = format!("{}{}", new.cert_pem(), old.cert_pem());
    assert!(info.signed_by(&bundle).expect("a readable bundle"));
    let hashes = ca_cert_hashes(&bundle).expect("a readable bundle");
    assert_eq!(hashes, [new.spki_hash(), old.spki_hash()]);
}

#[test]
fn an_expired_or_future_certificate_authority_issues_nothing() {
    let ca = ca("kubernetes");
    let late = ca.issue(&serving_request(), ca.not_after()).expect_err("an expired CA");
    assert!(matches!(late, Error::CertificateAuthorityExpired { .. }), "{late}");
    let early = ca.issue(&serving_request(), now() - MINUTE * 60).expect_err("a future CA");
    assert!(matches!(early, Error::CertificateAuthorityNotYetValid { .. }), "{early}");
}

#[test]
fn requests_that_no_certificate_can_carry_are_refused_by_name() {
    let ca = ca("kubernetes");
    let nameless = LeafRequest { common_name: String::new(), ..serving_request() };
    assert!(matches!(ca.issue(&nameless, now()), Err(Error::CommonNameEmpty)));
    for refused in ["", "10.0.0.1", "bücher.example"] {
        let request = LeafRequest { dns_names: vec![refused.into()], ..serving_request() };
        let error = ca.issue(&request, now()).expect_err(refused).to_string();
        assert!(error.contains(&format!("DNS name {refused:?} is ")), "{error}");
    }
    for validity in [SignedDuration::ZERO, -LEAF_LIFE, SignedDuration::MAX] {
        let request = LeafRequest { validity, ..serving_request() };
        assert!(matches!(ca.issue(&request, now()), Err(Error::InvalidValidity { .. })));
    }
}

#[test]
fn a_pair_that_could_not_issue_valid_leaves_is_refused_when_read() {
    let (one, other) = (ca("one"), ca("other"));
    let leaf = one.issue(&serving_request(), now()).expect("a leaf");
    let bundle = format!("{}{}", one.cert_pem(), other.cert_pem());
    for (cert, key, expected) in [
        (one.cert_pem(), other.key_pem(), "does not belong"),
        (leaf.cert_pem(), leaf.key_pem(), "not a CA"),
        (&bundle, one.key_pem(), "found 2"),
        ("", one.key_pem(), "no certificate"),
        (one.key_pem(), one.key_pem(), "PRIVATE KEY block"),
        (one.cert_pem(), "nonsense", "private key cannot be read"),
    ] {
        let error = CertificateAuthority::from_pem(cert, key).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
}

#[test]
fn every_difference_from_the_wanted_leaf_is_noticed_and_order_is_not() {
    let ca = ca("kubernetes");
    let request = serving_request();
    let leaf = ca.issue(&request, now()).expect("a leaf");
    let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
    let mut reversed = request.clone();
    reversed.dns_names.reverse();
    reversed.ip_addresses.reverse();
    reversed.dns_names.push("localhost".into());
    assert_eq!(info.mismatch(&reversed), None);
    for (wanted, named) in [
        (LeafRequest { common_name: "x".into(), ..request.clone() }, "common name"),
        (LeafRequest { organization: Some("x".into()), ..request.clone() }, "organization"),
        (LeafRequest { usage: Usage::Both, ..request.clone() }, "usage"),
        (LeafRequest { dns_names: vec!["localhost".into()], ..request.clone() }, "DNS names"),
        (LeafRequest { ip_addresses: vec![], ..request.clone() }, "IP addresses"),
    ] {
        let mismatch = info.mismatch(&wanted).unwrap_or_default();
        assert!(mismatch.contains(named), "{mismatch:?} does not name {named:?}");
    }
}

#[test]
fn a_leaf_is_due_when_four_fifths_of_its_life_are_over() {
    let born = day("2026-01-01T00:05:00Z");
    let ca = CertificateAuthority::generate("ca", born, CA_LIFE).expect("a CA");
    let request = LeafRequest { validity: MINUTE * 95, ..serving_request() };
    let leaf = ca.issue(&request, born).expect("a leaf");
    let info = CertificateInfo::parse(leaf.cert_pem()).expect("a readable leaf");
    let due = day("2026-01-01T01:20:00Z");
    assert_eq!(info.renewal_due_at(), due);
    assert!(!info.renewal_due(due - SignedDuration::from_secs(1)));
    assert!(info.renewal_due(due));
}

#[test]
fn two_certificates_never_share_a_serial_or_a_key() {
    let ca = ca("kubernetes");
    let pems = [(); 2].map(|()| ca.issue(&serving_request(), now()).expect("a leaf"));
    assert_ne!(pems[0].key_pem(), pems[1].key_pem());
    let infos = pems.map(|leaf| CertificateInfo::parse(leaf.cert_pem()).expect("readable"));
    assert_ne!(infos[0].serial, infos[1].serial);
    assert_ne!(infos[0].spki_hash, infos[1].spki_hash);
}

#[test]
fn debug_output_never_shows_a_private_key() {
    let ca = ca("kubernetes");
    let leaf = ca.issue(&serving_request(), now()).expect("a leaf");
    for (shown, key_pem) in
        [(format!("{ca:?}"), ca.key_pem()), (format!("{leaf:?}"), leaf.key_pem())]
    {
        let secret_line = key_pem.lines().nth(1).expect("a line of base64");
        assert!(shown.contains("<redacted>") && !shown.contains(secret_line));
    }
}
