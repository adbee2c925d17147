//! Which leaf Secrets to write now, and when to look again. Writing nothing is the steady state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_pki::{CertificateAuthority, CertificateInfo, LeafRequest, PrivateKey};

use super::secret_data::{self, CA_CERTIFICATE, CERTIFICATE, KUBECONFIG, PRIVATE_KEY};
use super::{Authorities, CertificateError, LeafSecret};
use crate::tenant::Tenant;

/// What to do about the leaf certificates of a control plane.
#[derive(Debug)]
pub struct LeafPlan {
    /// Secrets to apply now.
    pub to_write: Vec<Secret>,
    /// When the first certificate has used 80 % of its life and a new plan is due.
    pub next_due: Timestamp,
}

/// Compares the leaf Secrets that exist (by name) with those wanted. A certificate is kept while it says
/// what is wanted, is signed by the current CA, belongs to the key beside it, is valid and has not used 80 % of its
/// life; its Secret is written only if anything in it changes.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn plan_leaves(
    tenant: &Tenant,
    authorities: &Authorities,
    existing: &BTreeMap<String, Secret>,
    now: Timestamp,
) -> Result<LeafPlan, CertificateError> {
    let mut plan = LeafPlan { to_write: Vec::new(), next_due: Timestamp::MAX };
    for leaf in LeafSecret::all() {
        let issuer = leaf.issuer(authorities);
        let request = leaf.request(tenant);
        let present = existing.get(leaf.secret_name());
        let pair = match present.and_then(|secret| Pair::keep(secret, issuer, &request, now)) {
            Some(pair) => pair,
            None => Pair::issue(issuer, &request, leaf.secret_name(), now)?,
        };
        plan.next_due = plan.next_due.min(pair.due);
        let wanted = build_leaf_secret(tenant, authorities, leaf, pair)?;
        if !present.is_some_and(|present| says_the_same(present, &wanted)) {
            plan.to_write.push(wanted);
        }
    }
    Ok(plan)
}

/// A certificate and its key as PEM, and when to replace them.
pub(super) struct Pair {
    pub certificate: String,
    pub key: String,
    pub due: Timestamp,
}

impl Pair {
    /// The pair in `secret`, if it still serves.
    fn keep(
        secret: &Secret,
        issuer: &CertificateAuthority,
        request: &LeafRequest,
        now: Timestamp,
    ) -> Option<Self> {
        let certificate = secret_data::text(secret, CERTIFICATE)?;
        let key = secret_data::text(secret, PRIVATE_KEY)?;
        let due = serves_until(certificate, key, issuer, request, now)?;
        Some(Self { certificate: certificate.to_owned(), key: key.to_owned(), due })
    }

    /// A new pair for the Secret (or identity) called `what`.
    pub(super) fn issue(
        issuer: &CertificateAuthority,
        request: &LeafRequest,
        what: &'static str,
        now: Timestamp,
    ) -> Result<Self, CertificateError> {
        let mint = |source| CertificateError::Mint { what, source };
        let leaf = issuer.issue(request, now).map_err(mint)?;
        let due = CertificateInfo::parse(leaf.cert_pem()).map_err(mint)?.renewal_due_at();
        Ok(Self { certificate: leaf.cert_pem().to_owned(), key: leaf.key_pem().to_owned(), due })
    }
}

/// When a certificate has to be replaced by reason of age; `None`: now, because it or its key is not what
/// `request` and `issuer` would give, or because of its dates.
pub(super) fn serves_until(
    certificate: &str,
    key: &str,
    issuer: &CertificateAuthority,
    request: &LeafRequest,
    now: Timestamp,
) -> Option<Timestamp> {
    let info = CertificateInfo::parse(certificate).ok()?;
    let key_matches = PrivateKey::from_pem(key).ok()?.spki_hash() == info.spki_hash;
    let signed = info.signed_by(issuer.cert_pem()).ok()?;
    let serves = key_matches && signed && info.mismatch(request).is_none();
    (serves && !info.renewal_due(now) && !is_from_the_future(&info, issuer, now))
        .then(|| info.renewal_due_at())
}

/// Whether its maker's clock was ahead: nobody accepts it yet. Where not even the CA is valid yet, it is this clock
/// that is behind.
fn is_from_the_future(
    info: &CertificateInfo,
    issuer: &CertificateAuthority,
    now: Timestamp,
) -> bool {
    now < info.not_before && now >= issuer.not_before()
}

fn build_leaf_secret(
    tenant: &Tenant,
    authorities: &Authorities,
    leaf: LeafSecret,
    pair: Pair,
) -> Result<Secret, CertificateError> {
    let name = leaf.secret_name();
    let mut data = BTreeMap::from([
        (CERTIFICATE.to_owned(), ByteString(pair.certificate.into_bytes())),
        (PRIVATE_KEY.to_owned(), ByteString(pair.key.into_bytes())),
    ]);
    if let Some(ca) = leaf.server_ca(authorities) {
        data.insert(CA_CERTIFICATE.to_owned(), ByteString(ca.as_bytes().to_vec()));
    }
    if let Some(kubeconfig) = leaf.kubeconfig() {
        let yaml =
            kubeconfig.to_yaml().map_err(|source| CertificateError::Mint { what: name, source })?;
        data.insert(KUBECONFIG.to_owned(), ByteString(yaml.into_bytes()));
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(name)),
            ..ObjectMeta::default()
        },
        type_: Some(secret_data::TLS.to_owned()),
        data: Some(data),
        ..Secret::default()
    })
}

/// Whether applying `wanted` would change nothing. Labels that others added are theirs.
fn says_the_same(present: &Secret, wanted: &Secret) -> bool {
    let labels = present.metadata.labels.as_ref();
    present.data == wanted.data
        && wanted
            .metadata
            .labels
            .iter()
            .flatten()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}
