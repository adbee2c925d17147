//! The key pair with which a tenant's API server signs service-account tokens.

use crate::{Error, PrivateKey};

/// A service-account key pair, kubeadm's `sa.key` and `sa.pub`.
#[derive(Debug)]
pub struct ServiceAccountKey(PrivateKey);

impl ServiceAccountKey {
    /// A new key pair.
    ///
    /// # Errors
    /// [`Error::Signing`] if the library cannot generate one.
    pub fn generate() -> Result<Self, Error> {
        PrivateKey::generate().map(Self)
    }

    /// Reads the pair back from its private half.
    ///
    /// # Errors
    /// [`Error::PrivateKeyUnreadable`].
    pub fn from_pem(private_pem: &str) -> Result<Self, Error> {
        PrivateKey::from_pem(private_pem).map(Self)
    }

    /// PKCS#8 PEM, for kube-apiserver's `--service-account-signing-key-file` and
    /// kube-controller-manager's `--service-account-private-key-file`.
    #[must_use]
    pub fn private_pem(&self) -> &str {
        self.0.pem()
    }

    /// SPKI PEM, for `--service-account-key-file`, which does not parse a PKCS#8 EC private key
    /// (client-go `util/keyutil.ParsePublicKeysPEM`).
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.0.public_pem()
    }
}
