//! What an existing certificate says, to decide whether it can stay or must be issued anew.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, x509::X509Name};

use crate::{
    Error, LeafRequest, Usage,
    ca_cert_hash::spki_hash,
    pem_certificates::{self, unreadable},
};

/// A certificate, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Subject CN, empty if there is none.
    pub common_name: String,
    /// Every subject O, in the certificate's order.
    pub organizations: Vec<String>,
    /// DNS subject alternative names.
    pub dns_names: BTreeSet<String>,
    /// IP subject alternative names.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// Extended key usage; `None` if neither server nor client authentication is in it.
    pub usage: Option<Usage>,
    /// Whether the certificate may sign others.
    pub is_ca: bool,
    /// The first second in which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// Issuer CN, empty if there is none.
    pub issuer_common_name: String,
    /// Serial number as colon-separated hex.
    pub serial: String,
    /// `sha256:<hex>` of the public key.
    pub spki_hash: String,
    der: Vec<u8>,
}

impl CertificateInfo {
    /// Reads the first certificate of the text, which in a chain is the leaf.
    ///
    /// # Errors
    /// [`Error::CertificateUnreadable`].
    pub fn parse(pem: &str) -> Result<Self, Error> {
        let der = pem_certificates::ders(pem)?.swap_remove(0);
        let certificate = pem_certificates::parse(&der)?;
        let (dns_names, ip_addresses) = alternative_names(&certificate)?;
        Ok(Self {
            common_name: first_common_name(certificate.subject()),
            organizations: certificate
                .subject()
                .iter_organization()
                .filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
                .collect(),
            dns_names,
            ip_addresses,
            usage: usage(&certificate)?,
            is_ca: certificate.is_ca(),
            not_before: timestamp(certificate.validity().not_before.timestamp())?,
            not_after: timestamp(certificate.validity().not_after.timestamp())?,
            issuer_common_name: first_common_name(certificate.issuer()),
            serial: certificate.raw_serial_as_string(),
            spki_hash: spki_hash(certificate.public_key().raw),
            der: der.clone(),
        })
    }

    /// Whether one of the certificates in `ca_pem` issued this one: the issuer's name is its
    /// subject and its key verifies the signature. Dates are not looked at.
    ///
    /// # Errors
    /// [`Error::CertificateUnreadable`] if `ca_pem` cannot be read.
    pub fn signed_by(&self, ca_pem: &str) -> Result<bool, Error> {
        let certificate = pem_certificates::parse(&self.der)?;
        for ca_der in pem_certificates::ders(ca_pem)? {
            let ca = pem_certificates::parse(&ca_der)?;
            let named = ca.subject().as_raw() == certificate.issuer().as_raw();
            if named && certificate.verify_signature(Some(ca.public_key())).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What differs from `wanted`, in words for an event, or `None` if this certificate is what a
    /// new one would be. Lifetime and issuer are other questions: see [`Self::renewal_due`] and
    /// [`Self::signed_by`].
    #[must_use]
    pub fn mismatch(&self, wanted: &LeafRequest) -> Option<String> {
        if self.common_name != wanted.common_name {
            return Some(format!(
                "common name is {:?}, wanted {:?}",
                self.common_name, wanted.common_name
            ));
        }
        if !self.organizations.iter().eq(&wanted.organization) {
            return Some(format!(
                "organization is {:?}, wanted {:?}",
                self.organizations, wanted.organization
            ));
        }
        if self.usage != Some(wanted.usage) {
            return Some(format!("usage is {:?}, wanted {:?}", self.usage, wanted.usage));
        }
        set_difference("DNS names", &self.dns_names, wanted.dns_names.iter().cloned()).or_else(
            || {
                let wanted_ips = wanted.ip_addresses.iter().copied();
                set_difference("IP addresses", &self.ip_addresses, wanted_ips)
            },
        )
    }

    /// When to replace the certificate: after 80 % of its life (Gardener's rule; kubelet renews
    /// its own at 70 to 90 %).
    #[must_use]
    pub fn renewal_due_at(&self) -> Timestamp {
        let life = self.not_before.duration_until(self.not_after).as_secs();
        let used = SignedDuration::from_secs(life * 4 / 5);
        self.not_before.checked_add(used).unwrap_or(self.not_after)
    }

    /// Whether [`Self::renewal_due_at`] has come.
    #[must_use]
    pub fn renewal_due(&self, now: Timestamp) -> bool {
        now >= self.renewal_due_at()
    }
}

fn set_difference<T: Ord + std::fmt::Debug>(
    what: &str,
    actual: &BTreeSet<T>,
    wanted: impl Iterator<Item = T>,
) -> Option<String> {
    let wanted: BTreeSet<T> = wanted.collect();
    if *actual == wanted {
        return None;
    }
    let missing: Vec<_> = wanted.difference(actual).collect();
    let surplus: Vec<_> = actual.difference(&wanted).collect();
    Some(format!("{what} differ: missing {missing:?}, no longer wanted {surplus:?}"))
}

fn first_common_name(name: &X509Name<'_>) -> String {
    let first = name.iter_common_name().next();
    first.and_then(|attribute| attribute.as_str().ok()).unwrap_or_default().to_owned()
}

fn usage(certificate: &X509Certificate<'_>) -> Result<Option<Usage>, Error> {
    let extension = certificate.extended_key_usage().map_err(|error| unreadable(&error))?;
    let purposes =
        extension.map(|extension| (extension.value.server_auth, extension.value.client_auth));
    Ok(match purposes {
        Some((true, true)) => Some(Usage::Both),
        Some((true, false)) => Some(Usage::ServerAuth),
        Some((false, true)) => Some(Usage::ClientAuth),
        Some((false, false)) | None => None,
    })
}

fn alternative_names(
    certificate: &X509Certificate<'_>,
) -> Result<(BTreeSet<String>, BTreeSet<IpAddr>), Error> {
    let (mut dns_names, mut ip_addresses) = (BTreeSet::new(), BTreeSet::new());
    let extension = certificate.subject_alternative_name().map_err(|error| unreadable(&error))?;
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(dns) => {
                dns_names.insert((*dns).to_owned());
            }
            GeneralName::IPAddress(octets) => {
                ip_addresses.insert(ip_address(octets)?);
            }
            _ => {}
        }
    }
    Ok((dns_names, ip_addresses))
}

fn ip_address(octets: &[u8]) -> Result<IpAddr, Error> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .map_err(|_| unreadable(&format!("IP address of {} bytes", octets.len())))
}

fn timestamp(seconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(seconds).map_err(|error| unreadable(&error))
}
