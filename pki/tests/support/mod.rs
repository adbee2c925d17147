//! What the tests share: the present, a CA and leaf requests.

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};

/// Ten years in hours, as kubeadm's CAs live.
pub const CA_LIFE: SignedDuration = SignedDuration::from_hours(87_600);
/// One year in hours, as kubeadm's leaves live.
pub const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(8_760);

/// The present, since openssl and kubeadm compare with their own clock.
#[allow(clippy::disallowed_methods, reason = "only what is tested has no clock")]
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("a second of the present")
}

/// A CA made now.
pub fn ca(common_name: &str) -> CertificateAuthority {
    CertificateAuthority::generate(common_name, now(), CA_LIFE).expect("a CA")
}

/// A request for a serving certificate with every kind of name.
pub fn serving_request() -> LeafRequest {
    LeafRequest {
        common_name: "kube-apiserver".into(),
        organization: None,
        dns_names: vec!["kubernetes.default.svc".into(), "localhost".into()],
        ip_addresses: ["10.96.0.1", "172.30.0.1", "::1"]
            .map(|ip| ip.parse().expect("an address"))
            .to_vec(),
        usage: Usage::ServerAuth,
        validity: LEAF_LIFE,
    }
}

/// A request for a client certificate.
pub fn client_request(common_name: &str, organization: Option<&str>) -> LeafRequest {
    LeafRequest {
        common_name: common_name.into(),
        organization: organization.map(str::to_owned),
        dns_names: vec![],
        ip_addresses: vec![],
        usage: Usage::ClientAuth,
        validity: LEAF_LIFE,
    }
}
