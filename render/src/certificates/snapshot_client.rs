//! The certificate with which a snapshot is taken: made with the Job, and of no use soon after it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_pki::{LeafRequest, Usage};

use super::secret_data::{self, CERTIFICATE, PRIVATE_KEY};
use super::{Authorities, CertificateError};
use crate::plane::names::SNAPSHOT_CLIENT;
use crate::tenant::Tenant;

/// Longer than the Job may take, its second attempt included.
const LIFE: SignedDuration = SignedDuration::from_hours(2);

/// A new pair in its Secret. Not among the leaves that a plane is born with: most of the time nobody needs it.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn build_snapshot_client(
    tenant: &Tenant,
    authorities: &Authorities,
    now: Timestamp,
) -> Result<Secret, CertificateError> {
    let request = LeafRequest {
        common_name: SNAPSHOT_CLIENT.to_owned(),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        usage: Usage::ClientAuth,
        validity: LIFE,
    };
    let leaf = authorities
        .etcd
        .issue(&request, now)
        .map_err(|source| CertificateError::Mint { what: SNAPSHOT_CLIENT, source })?;
    let data = BTreeMap::from([
        (CERTIFICATE.to_owned(), ByteString(leaf.cert_pem().as_bytes().to_vec())),
        (PRIVATE_KEY.to_owned(), ByteString(leaf.key_pem().as_bytes().to_vec())),
    ]);
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(SNAPSHOT_CLIENT.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(SNAPSHOT_CLIENT)),
            ..ObjectMeta::default()
        },
        type_: Some(secret_data::TLS.to_owned()),
        data: Some(data),
        ..Secret::default()
    })
}
