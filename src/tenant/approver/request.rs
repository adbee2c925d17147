//! A certificate request (RFC 2986), read.

use std::net::IpAddr;

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
    /// Whether anything else is asked for: e-mail addresses, URIs, other names.
    pub other_names: bool,
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be read: {why}")]
pub struct RequestError {
    why: String,
}
