//! The manager's own client certificates for a tenant: short-lived, kept in memory only.

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, Leaf, LeafRequest, Usage};

use super::{Authorities, CertificateError};

/// A day: nobody can revoke a certificate of `system:masters`, so it ends soon after the manager does.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A client certificate as `nagaya-manager` in `system:masters`. The group is needed because RBAC of a
/// new tenant knows nobody, and a tenant that deleted our bindings must not lock the manager out. Mint
/// another one before [`Leaf::not_after`].
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn mint_manager_identity(
    authorities: &Authorities,
    now: Timestamp,
) -> Result<Leaf, CertificateError> {
    issue(&authorities.client, Some("system:masters"), now)
}

/// A client certificate for the tenant's etcd, which looks no further than at its CA: for its members and their
/// health. Never stored either.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn mint_etcd_identity(
    authorities: &Authorities,
    now: Timestamp,
) -> Result<Leaf, CertificateError> {
    issue(&authorities.etcd, None, now)
}

fn issue(
    authority: &CertificateAuthority,
    organization: Option<&str>,
    now: Timestamp,
) -> Result<Leaf, CertificateError> {
    let request = LeafRequest {
        common_name: "nagaya-manager".to_owned(),
        organization: organization.map(str::to_owned),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        usage: Usage::ClientAuth,
        validity: LIFE,
    };
    authority
        .issue(&request, now)
        .map_err(|source| CertificateError::Mint { what: "the manager's identity", source })
}
