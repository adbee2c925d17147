//! The hash of a CA's public key that `kubeadm join --discovery-token-ca-cert-hash` pins.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::{Error, pem_certificates};

/// `sha256:<hex>` for every certificate of a PEM bundle, in its order; kubeadm accepts a join when
/// any one of them is pinned (`cmd/kubeadm/app/util/pubkeypin`).
///
/// # Errors
/// [`Error::CertificateUnreadable`] if the bundle is empty or one certificate cannot be read.
pub fn ca_cert_hashes(pem_bundle: &str) -> Result<Vec<String>, Error> {
    let ders = pem_certificates::ders(pem_bundle)?;
    ders.iter()
        .map(|der| pem_certificates::parse(der).map(|cert| spki_hash(cert.public_key().raw)))
        .collect()
}

/// `sha256:` and the lower-case hex SHA-256 of a DER `SubjectPublicKeyInfo`.
pub(crate) fn spki_hash(spki_der: &[u8]) -> String {
    let mut hash = String::from("sha256:");
    for byte in digest(&SHA256, spki_der).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}
