//! Which leaf Secrets to write now, and when to look again. Writing nothing is the steady state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_pki::{CertificateAuthority, CertificateInfo, LeafRequest, PrivateKey};

use super::secret_data::{self, CA_CERTIFICATE, KUBECONFIG, certificate, private_key};
use super::{Authorities, CertificateError, Leaf, LeafSecret};
use crate::tenant::Tenant;

/// What to do about the leaf certificates of a control plane.
#[derive(Debug)]
pub struct LeafPlan {
    /// Secrets to apply now.
    pub to_write: Vec<Secret>,
    /// When the first certificate has used 80 % of its life and a new plan is due.
    pub next_due: Timestamp,
}

/// All of a tenant that its leaf certificates are made from: where it is the same, [`plan_leaves`] gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafInputs {
    plane_namespace: String,
    labels: BTreeMap<String, String>,
    requests: Vec<LeafRequest>,
}

impl LeafInputs {
    /// Of this tenant.
    #[must_use]
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            plane_namespace: tenant.plane_namespace.clone(),
            labels: tenant.labels(""),
            requests: Leaf::of(tenant).map(|leaf| leaf.request(tenant)).collect(),
        }
    }
}

/// Compares the leaf Secrets that exist (by name) with those wanted, which are all, and the former ones that are still
/// there. A certificate is kept while it says what is wanted, is signed by the current CA, belongs to the key beside
/// it, is valid and has not used 80 % of its life; its Secret is written only if anything in it changes.
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
    let former = LeafSecret::former().filter(|one| existing.contains_key(one.secret_name()));
    for secret in LeafSecret::of(tenant).chain(former) {
        let present = existing.get(secret.secret_name());
        let mut pairs = Vec::new();
        for (leaf, name) in secret.pairs() {
            let issuer = leaf.issuer(authorities);
            let request = leaf.request(tenant);
            let kept = present.and_then(|present| Pair::keep(present, name, issuer, &request, now));
            let pair = match kept {
                Some(pair) => pair,
                None => Pair::issue(issuer, &request, secret.secret_name(), now)?,
            };
            plan.next_due = plan.next_due.min(pair.due);
            pairs.push((leaf, name, pair));
        }
        let wanted = build_leaf_secret(tenant, authorities, secret, pairs)?;
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
    /// The pair called `name` in `secret`, if it still serves.
    fn keep(
        secret: &Secret,
        name: &str,
        issuer: &CertificateAuthority,
        request: &LeafRequest,
        now: Timestamp,
    ) -> Option<Self> {
        let certificate = secret_data::text(secret, &certificate(name))?;
        let key = secret_data::text(secret, &private_key(name))?;
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
    secret: LeafSecret,
    pairs: Vec<(Leaf, &'static str, Pair)>,
) -> Result<Secret, CertificateError> {
    let what = secret.secret_name();
    let mut data = BTreeMap::new();
    let mut put = |key: String, text: String| data.insert(key, ByteString(text.into_bytes()));
    for (leaf, name, pair) in pairs {
        if let Some(ca) = leaf.server_ca(authorities) {
            put(CA_CERTIFICATE.to_owned(), ca.to_owned());
        }
        if let Some(kubeconfig) = leaf.kubeconfig(name) {
            let yaml =
                kubeconfig.to_yaml().map_err(|source| CertificateError::Mint { what, source })?;
            put(KUBECONFIG.to_owned(), yaml);
        }
        put(certificate(name), pair.certificate);
        put(private_key(name), pair.key);
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(what.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(what)),
            ..ObjectMeta::default()
        },
        type_: Some(secret.type_().to_owned()),
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
