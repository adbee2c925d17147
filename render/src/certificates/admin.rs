//! The administrator's kubeconfig, in a Secret of the project namespace.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use nagaya_api::TenantCluster;
use nagaya_pki::{Kubeconfig, LeafRequest, Trust, Usage};

use super::plan::{Pair, serves_until};
use super::{Authorities, CertificateError, leaf, secret_data};
use crate::content::admin_user_name;
use crate::tenant::{Endpoint, Tenant};

/// Key of the Secret, the one that Cluster API uses too.
pub const ADMIN_KUBECONFIG: &str = "value";
const WHAT: &str = "the administrator's kubeconfig";

/// What to do about the administrator's kubeconfig.
#[derive(Debug)]
pub enum AdminKubeconfig {
    /// It is there and serves; look again at `due`.
    Current {
        /// When 80 % of the certificate's life are over.
        due: Timestamp,
    },
    /// Apply this Secret.
    Write(Box<Secret>),
    /// A Secret of this name exists that is not ours: it is never touched.
    Foreign,
}

/// Name of the Secret in the project namespace.
#[must_use]
pub fn admin_secret_name(cluster: &str) -> String {
    format!("{cluster}-kubeconfig")
}

/// A Secret without an owner reference to this very `TenantCluster` is foreign; ours is kept while it says
/// what a new one would say and its certificate is valid and has not used 80 % of its life.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn plan_admin_kubeconfig(
    tenant: &Tenant,
    endpoint: &Endpoint,
    authorities: &Authorities,
    existing: Option<&Secret>,
    now: Timestamp,
) -> Result<AdminKubeconfig, CertificateError> {
    if let Some(secret) = existing {
        if !is_ours(secret, tenant) {
            return Ok(AdminKubeconfig::Foreign);
        }
        if let Some(due) = current_until(tenant, endpoint, authorities, secret, now) {
            return Ok(AdminKubeconfig::Current { due });
        }
    }
    build_admin_kubeconfig(tenant, endpoint, authorities, now)
        .map(|secret| AdminKubeconfig::Write(Box::new(secret)))
}

/// A kubeconfig with a new certificate, valid for a year, for a user without any group.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn build_admin_kubeconfig(
    tenant: &Tenant,
    endpoint: &Endpoint,
    authorities: &Authorities,
    now: Timestamp,
) -> Result<Secret, CertificateError> {
    let pair = Pair::issue(&authorities.client, &request(tenant), WHAT, now)?;
    let value = kubeconfig(tenant, endpoint, authorities, &pair.certificate, &pair.key)
        .map_err(|source| CertificateError::Mint { what: WHAT, source })?;
    let name = admin_secret_name(&tenant.name);
    Ok(Secret {
        metadata: ObjectMeta {
            labels: Some(tenant.labels("kubeconfig")),
            name: Some(name),
            namespace: Some(tenant.namespace.clone()),
            owner_references: Some(vec![owner(tenant)]),
            ..ObjectMeta::default()
        },
        type_: Some(secret_data::OPAQUE.to_owned()),
        data: Some([(ADMIN_KUBECONFIG.to_owned(), ByteString(value.into_bytes()))].into()),
        ..Secret::default()
    })
}

fn request(tenant: &Tenant) -> LeafRequest {
    LeafRequest {
        common_name: admin_user_name(tenant),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        usage: Usage::ClientAuth,
        validity: leaf::LIFE,
    }
}

fn kubeconfig(
    tenant: &Tenant,
    endpoint: &Endpoint,
    authorities: &Authorities,
    certificate: &str,
    key: &str,
) -> Result<String, nagaya_pki::Error> {
    let trust = Trust::Bundle(authorities.cluster.cert_pem().to_owned());
    Kubeconfig::new(&tenant.name, &endpoint.url(), trust)
        .with_client_certificate(&admin_user_name(tenant), certificate, key)
        .to_yaml()
}

fn owner(tenant: &Tenant) -> OwnerReference {
    OwnerReference {
        api_version: TenantCluster::api_version(&()).into_owned(),
        kind: TenantCluster::kind(&()).into_owned(),
        name: tenant.name.clone(),
        uid: tenant.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn is_ours(secret: &Secret, tenant: &Tenant) -> bool {
    secret.metadata.owner_references.iter().flatten().any(|owner| owner.uid == tenant.uid)
}

/// When the kubeconfig in `secret` is to be renewed by reason of age; `None`: now, because it is not what
/// a new one would be, or because of its certificate's dates.
fn current_until(
    tenant: &Tenant,
    endpoint: &Endpoint,
    authorities: &Authorities,
    secret: &Secret,
    now: Timestamp,
) -> Option<Timestamp> {
    let present = secret_data::text(secret, ADMIN_KUBECONFIG)?;
    let (certificate, key) = embedded_pair(present)?;
    let due = serves_until(&certificate, &key, &authorities.client, &request(tenant), now)?;
    let wanted = kubeconfig(tenant, endpoint, authorities, &certificate, &key).ok()?;
    (present == wanted).then_some(due)
}

fn embedded_pair(kubeconfig: &str) -> Option<(String, String)> {
    let file: serde_yaml_ng::Value = serde_yaml_ng::from_str(kubeconfig).ok()?;
    let user = file.get("users")?.get(0)?.get("user")?;
    let decode = |key: &str| {
        let bytes = STANDARD.decode(user.get(key)?.as_str()?).ok()?;
        String::from_utf8(bytes).ok()
    };
    Some((decode("client-certificate-data")?, decode("client-key-data")?))
}
