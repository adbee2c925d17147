//! A certificate for a real server on loopback, from a CA of its own.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Writes `tls.crt` and `tls.key` into `folder`, and returns the CA's certificate.
pub fn write(folder: &Path, name: &str) -> String {
    let now = Timestamp::now();
    let ca = CertificateAuthority::generate(name, now, DAY).unwrap();
    let request = LeafRequest {
        common_name: name.to_owned(),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: vec![[127, 0, 0, 1].into()],
        usage: Usage::ServerAuth,
        validity: DAY,
    };
    let leaf = ca.issue(&request, now).unwrap();
    fs::write(folder.join("tls.crt"), leaf.cert_pem()).unwrap();
    fs::write(folder.join("tls.key"), leaf.key_pem()).unwrap();
    ca.cert_pem().to_owned()
}
