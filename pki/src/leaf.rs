//! What a leaf certificate is asked to be, and the certificate that was issued for it.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType, SerialNumber,
};

use crate::{
    Error, PrivateKey, random,
    validity::{Validity, to_offset_date_time},
};

/// What the holder of a leaf may do with it (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Serve TLS: kube-apiserver, konnectivity.
    ServerAuth,
    /// Present itself as a user: the common name is the user, the organization the group.
    ClientAuth,
    /// Both: etcd members, which are each other's clients.
    Both,
}

impl Usage {
    fn purposes(self) -> Vec<ExtendedKeyUsagePurpose> {
        match self {
            Self::ServerAuth => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Self::ClientAuth => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Self::Both => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
        }
    }
}

/// A leaf certificate as wanted; [`crate::CertificateAuthority::issue`] makes it and
/// [`crate::CertificateInfo::mismatch`] tells whether an existing one still is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// Subject CN; the Kubernetes user of a client certificate.
    pub common_name: String,
    /// Subject O; the Kubernetes group of a client certificate. At most one, as in every
    /// certificate that kubeadm issues (rcgen holds one value for each kind of attribute).
    pub organization: Option<String>,
    /// DNS subject alternative names, in any order; repetitions count once.
    pub dns_names: Vec<String>,
    /// IP subject alternative names, in any order; repetitions count once.
    pub ip_addresses: Vec<IpAddr>,
    /// Server, client or both.
    pub usage: Usage,
    /// Lifetime from `now` on; cut where the CA ends.
    pub validity: SignedDuration,
}

impl LeafRequest {
    /// The certificate to sign, valid in the given span.
    pub(crate) fn params(&self, validity: Validity) -> Result<CertificateParams, Error> {
        let mut params = base_params(&self.common_name, validity)?;
        if let Some(organization) = &self.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
        }
        for name in self.dns_names.iter().collect::<BTreeSet<_>>() {
            params.subject_alt_names.push(dns_san(name)?);
        }
        let ips: BTreeSet<IpAddr> = self.ip_addresses.iter().copied().collect();
        params.subject_alt_names.extend(ips.into_iter().map(SanType::IpAddress));
        params.is_ca = IsCa::ExplicitNoCa;
        // As kubeadm's NewSignedCert: key encipherment too, though only RSA needs it.
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = self.usage.purposes();
        Ok(params)
    }
}

/// The parameters that a CA and a leaf share: name, span, random serial, authority key identifier.
pub(crate) fn base_params(
    common_name: &str,
    validity: Validity,
) -> Result<CertificateParams, Error> {
    if common_name.is_empty() {
        return Err(Error::CommonNameEmpty);
    }
    let signing =
        |source| Error::Signing { what: format!("the certificate of {common_name:?}"), source };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = to_offset_date_time(validity.not_before).map_err(signing)?;
    params.not_after = to_offset_date_time(validity.not_after).map_err(signing)?;
    params.serial_number = Some(SerialNumber::from(serial_number()?.to_vec()));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 126 random bits, positive and without a leading zero (RFC 5280 section 4.1.2.2). rcgen's own
/// default derives the serial from the key, so a re-issued CA would repeat it.
fn serial_number() -> Result<[u8; 16], Error> {
    let mut serial = random::bytes::<16>()?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(serial)
}

/// A DNS subject alternative name.
pub(crate) fn dns_san(name: &str) -> Result<SanType, Error> {
    let invalid = |reason| Error::InvalidDnsName { name: name.to_owned(), reason };
    if name.is_empty() {
        return Err(invalid("empty; leave it out"));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(invalid("an IP address; give it among the IP addresses"));
    }
    let ascii = name.try_into().map_err(|_| invalid("not ASCII; give its IDNA (xn--) form"))?;
    Ok(SanType::DnsName(ascii))
}

/// An issued certificate with its private key.
#[derive(Debug)]
pub struct Leaf {
    pub(crate) cert_pem: String,
    pub(crate) key: PrivateKey,
    pub(crate) not_after: Timestamp,
}

impl Leaf {
    /// The certificate as PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Its private key as PKCS#8 PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        self.key.pem()
    }

    /// The last second in which the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}
