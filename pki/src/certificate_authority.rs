//! A certificate authority: made once, kept in a Secret, read back to issue leaves.

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, IsCa, Issuer, KeyUsagePurpose};

use crate::{
    CertificateInfo, Error, Leaf, LeafRequest, PrivateKey,
    leaf::{base_params, dns_san},
    pem_certificates,
    validity::Validity,
};

/// A self-signed CA certificate with its private key.
#[derive(Debug)]
pub struct CertificateAuthority {
    cert_pem: String,
    info: CertificateInfo,
    key: PrivateKey,
}

impl CertificateAuthority {
    /// A new CA, valid from five minutes before `now` until `validity` after it, with what kubeadm
    /// puts into one (client-go `util/cert.NewSelfSignedCACert`): critical CA:TRUE, the three key
    /// usages, the common name as DNS name; and key identifiers, which tell generations apart.
    /// Give each generation its own common name (`kubernetes-ca-2`): TLS stacks other than Go's
    /// may pick an issuer from a bundle by name alone.
    ///
    /// # Errors
    /// [`Error::CommonNameEmpty`], [`Error::InvalidDnsName`] (the common name is not ASCII),
    /// [`Error::InvalidValidity`] or [`Error::Signing`].
    pub fn generate(
        common_name: &str,
        now: Timestamp,
        validity: SignedDuration,
    ) -> Result<Self, Error> {
        let span = Validity::starting(common_name, now, validity)?;
        let mut params = base_params(common_name, span)?;
        params.subject_alt_names.push(dns_san(common_name)?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        let key = PrivateKey::generate()?;
        let certificate = params.self_signed(key.pair()).map_err(|source| Error::Signing {
            what: format!("the CA certificate of {common_name:?}"),
            source,
        })?;
        let cert_pem = certificate.pem();
        let info = CertificateInfo::parse(&cert_pem)?;
        Ok(Self { cert_pem, info, key })
    }

    /// Reads a CA back, and refuses what could not issue a valid leaf.
    ///
    /// # Errors
    /// [`Error::CertificateUnreadable`], [`Error::NotOneCertificate`],
    /// [`Error::NotACertificateAuthority`], [`Error::PrivateKeyUnreadable`] or
    /// [`Error::KeyMismatch`].
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let found = pem_certificates::ders(cert_pem)?.len();
        if found != 1 {
            return Err(Error::NotOneCertificate { found });
        }
        let info = CertificateInfo::parse(cert_pem)?;
        let common_name = info.common_name.clone();
        if !info.is_ca {
            return Err(Error::NotACertificateAuthority { common_name });
        }
        let key = PrivateKey::from_pem(key_pem)?;
        if key.spki_hash() != info.spki_hash {
            return Err(Error::KeyMismatch { common_name });
        }
        Ok(Self { cert_pem: cert_pem.to_owned(), info, key })
    }

    /// A leaf with a new key. It starts five minutes before `now` and ends `request.validity`
    /// after it, both within the CA's own span.
    ///
    /// # Errors
    /// [`Error::CertificateAuthorityExpired`], [`Error::CertificateAuthorityNotYetValid`], or an
    /// error that names the field of `request` that no certificate can carry.
    pub fn issue(&self, request: &LeafRequest, now: Timestamp) -> Result<Leaf, Error> {
        self.refuse_outside_own_span(now)?;
        let span = Validity::starting(&request.common_name, now, request.validity)?
            .within(Validity { not_before: self.info.not_before, not_after: self.info.not_after });
        let params = request.params(span)?;
        let signing = |source| Error::Signing {
            what: format!("the certificate of {:?}", request.common_name),
            source,
        };
        let issuer = Issuer::from_ca_cert_pem(&self.cert_pem, self.key.pair()).map_err(signing)?;
        let key = PrivateKey::generate()?;
        let certificate = params.signed_by(key.pair(), &issuer).map_err(signing)?;
        Ok(Leaf { cert_pem: certificate.pem(), key, not_after: span.not_after })
    }

    fn refuse_outside_own_span(&self, now: Timestamp) -> Result<(), Error> {
        let common_name = || self.info.common_name.clone();
        if now >= self.info.not_after {
            let not_after = self.info.not_after;
            return Err(Error::CertificateAuthorityExpired {
                common_name: common_name(),
                not_after,
            });
        }
        if now < self.info.not_before {
            let not_before = self.info.not_before;
            let common_name = common_name();
            return Err(Error::CertificateAuthorityNotYetValid { common_name, not_before });
        }
        Ok(())
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        self.key.pem()
    }

    /// `sha256:<hex>` of the public key: the value of `--discovery-token-ca-cert-hash`.
    #[must_use]
    pub fn spki_hash(&self) -> &str {
        &self.info.spki_hash
    }

    /// The first second in which the CA is valid.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.info.not_before
    }

    /// The last second in which the CA is valid.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.info.not_after
    }

    /// Everything else that the certificate says.
    #[must_use]
    pub fn info(&self) -> &CertificateInfo {
        &self.info
    }
}
