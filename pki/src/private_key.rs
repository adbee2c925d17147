//! An ECDSA P-256 private key that forgets itself when dropped and never shows in `Debug`.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use zeroize::Zeroizing;

use crate::{Error, ca_cert_hash::spki_hash};

/// A private key: of a certificate authority, a leaf or the service-account signer.
pub struct PrivateKey {
    pair: Zeroizing<KeyPair>,
    pem: Zeroizing<String>,
}

impl PrivateKey {
    /// A new ECDSA P-256 key.
    ///
    /// # Errors
    /// [`Error::Signing`] if the library cannot generate one.
    pub fn generate() -> Result<Self, Error> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|source| Error::Signing { what: "a private key".into(), source })?;
        let pem = Zeroizing::new(pair.serialize_pem());
        Ok(Self { pair: Zeroizing::new(pair), pem })
    }

    /// Reads a key back from PEM: PKCS#8 as [`Self::pem`] writes it, or SEC1/PKCS#1 as kubeadm does.
    ///
    /// # Errors
    /// [`Error::PrivateKeyUnreadable`], which never quotes the key.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let pair = KeyPair::from_pem(pem)
            .map_err(|error| Error::PrivateKeyUnreadable { reason: error.to_string() })?;
        Ok(Self { pair: Zeroizing::new(pair), pem: Zeroizing::new(pem.to_owned()) })
    }

    /// The private key as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The public half as SPKI PEM (`PUBLIC KEY`).
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// `sha256:<hex>` of the public half; equal to [`crate::CertificateInfo::spki_hash`] exactly
    /// when this key belongs to that certificate.
    #[must_use]
    pub fn spki_hash(&self) -> String {
        spki_hash(&self.pair.subject_public_key_info())
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(<redacted>)")
    }
}
