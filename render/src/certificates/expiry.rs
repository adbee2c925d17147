//! When certificates that exist end: what an alert has to look at, whatever is planned for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use nagaya_pki::CertificateInfo;

use super::secret_data;

/// When the first of the certificates in `secrets` expires, authorities and leaves alike. Those that cannot be
/// read are not looked at; `None` if there is none.
#[must_use]
pub fn first_expiry(secrets: &BTreeMap<String, Secret>) -> Option<Timestamp> {
    let pems = secrets.values().flat_map(secret_data::certificates);
    let infos = pems.filter_map(|pem| CertificateInfo::parse(pem).ok());
    infos.map(|info| info.not_after).min()
}
