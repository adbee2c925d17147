//! What can go wrong with certificates and keys, each with what to do next.

use jiff::Timestamp;

/// Why a certificate, key or kubeconfig could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no readable PEM certificate.
    #[error("certificate cannot be read: {reason}; expected PEM with BEGIN CERTIFICATE")]
    CertificateUnreadable {
        /// What the parser objected to.
        reason: String,
    },
    /// A certificate-authority file holds no certificate or several; kube-controller-manager
    /// refuses to sign with such a file too.
    #[error("expected exactly 1 CA certificate, found {found}; give the signing CA, not a bundle")]
    NotOneCertificate {
        /// How many certificates were in the PEM.
        found: usize,
    },
    /// The text is no readable PEM private key. The key itself is never quoted.
    #[error("private key cannot be read: {reason}; expected PEM with BEGIN PRIVATE KEY (PKCS#8)")]
    PrivateKeyUnreadable {
        /// What the parser objected to.
        reason: String,
    },
    /// The certificate is not allowed to sign others.
    #[error("certificate {common_name:?} is not a CA: its basic constraints lack CA:TRUE")]
    NotACertificateAuthority {
        /// Common name of the certificate.
        common_name: String,
    },
    /// The private key belongs to some other certificate.
    #[error("the private key does not belong to CA certificate {common_name:?}; give its own key")]
    KeyMismatch {
        /// Common name of the certificate.
        common_name: String,
    },
    /// A leaf would have to outlive its CA, which no verifier accepts.
    #[error("CA {common_name:?} expired at {not_after}; rotate the CA before issuing from it")]
    CertificateAuthorityExpired {
        /// Common name of the CA.
        common_name: String,
        /// When the CA ended.
        not_after: Timestamp,
    },
    /// The CA starts in the future.
    #[error(
        "CA {common_name:?} is valid only from {not_before}; check this machine's clock: if it is right, one that was \
         ahead made the CA"
    )]
    CertificateAuthorityNotYetValid {
        /// Common name of the CA.
        common_name: String,
        /// When the CA starts.
        not_before: Timestamp,
    },
    /// The lifetime is zero, negative, or ends beyond what a timestamp holds.
    #[error("validity of {common_name:?} is {seconds} s; it must be positive and end before 9999")]
    InvalidValidity {
        /// Common name of the certificate asked for.
        common_name: String,
        /// The lifetime asked for, in seconds.
        seconds: i64,
    },
    /// No common name was given; Kubernetes takes the user from it.
    #[error("the common name is empty; Kubernetes reads the user from it, so give one")]
    CommonNameEmpty,
    /// A DNS name is one that no client would match.
    #[error("DNS name {name:?} is {reason}")]
    InvalidDnsName {
        /// The name refused.
        name: String,
        /// What is wrong with it and what to give instead.
        reason: &'static str,
    },
    /// The cryptographic library refused to make a key or a certificate.
    #[error("cannot make {what}: {source}")]
    Signing {
        /// What was being made.
        what: String,
        /// The library's reason.
        #[source]
        source: rcgen::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes; nothing was generated")]
    RandomnessUnavailable,
    /// A kubeconfig could not be written as YAML.
    #[error("cannot write the kubeconfig as YAML: {0}")]
    KubeconfigUnwritable(#[source] serde_yaml_ng::Error),
}
