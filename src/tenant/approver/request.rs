//! A certificate request (RFC 2986), read.

use std::net::IpAddr;

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Common names in the subject.
    pub common_names: Vec<String>,
    /// Organizations in the subject.
    pub organizations: Vec<String>,
    /// DNS names asked for.
    pub dns_names: Vec<String>,
    /// IP addresses asked for.
    pub ip_addresses: Vec<IpAddr>,
    /// Whether names of any other kind are asked for: e-mail addresses, URIs, …
    pub other_names: bool,
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is not one PEM block of the right kind.
    #[error("the request is not one PEM block CERTIFICATE REQUEST")]
    NotPem,
    /// The block does not hold a request.
    #[error("the request is not in the form of RFC 2986: {why}")]
    NotARequest {
        /// What the parser objected to.
        why: String,
    },
    /// The request is not signed with the key that it names.
    #[error("the request is not signed with its own key")]
    BadSignature,
    /// A name in it is not text, or an address has a wrong length.
    #[error("a name in the request cannot be read")]
    UnreadableName,
}

impl CertificateRequest {
    /// Reads a PEM request and checks that whoever made it holds the key.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn parse(pem: &[u8]) -> Result<Self, RequestError> {
        let (rest, block) = parse_x509_pem(pem).map_err(|_| RequestError::NotPem)?;
        if block.label != "CERTIFICATE REQUEST" || !rest.trim_ascii().is_empty() {
            return Err(RequestError::NotPem);
        }
        let (rest, request) = X509CertificationRequest::from_der(&block.contents)
            .map_err(|error| RequestError::NotARequest { why: error.to_string() })?;
        if !rest.is_empty() {
            return Err(RequestError::NotARequest { why: "bytes follow it".to_owned() });
        }
        request.verify_signature().map_err(|_| RequestError::BadSignature)?;
        let subject = &request.certification_request_info.subject;
        let mut read = Self {
            common_names: texts(subject.iter_common_name())?,
            organizations: texts(subject.iter_organization())?,
            ..Self::default()
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                for name in &names.general_names {
                    read.add(name)?;
                }
            }
        }
        Ok(read)
    }

    fn add(&mut self, name: &GeneralName<'_>) -> Result<(), RequestError> {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => self.ip_addresses.push(ip_address(bytes)?),
            _ => self.other_names = true,
        }
        Ok(())
    }
}

fn texts<'a>(
    attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
) -> Result<Vec<String>, RequestError> {
    attributes
        .map(|attribute| attribute.as_str().map(str::to_owned))
        .collect::<Result<_, _>>()
        .map_err(|_| RequestError::UnreadableName)
}

fn ip_address(bytes: &[u8]) -> Result<IpAddr, RequestError> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .map_err(|_| RequestError::UnreadableName)
}
