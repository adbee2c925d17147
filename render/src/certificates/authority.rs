//! The certificate authorities and the service-account key. Their Secrets are created, never applied:
//! nothing that was minted from a stale read can replace one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_pki::{CertificateAuthority, ServiceAccountKey};
use strum::{EnumIter, IntoEnumIterator};

use super::CertificateError;
use super::secret_data::{self, CERTIFICATE, PRIVATE_KEY, SA_PRIVATE_KEY, SA_PUBLIC_KEY};
use crate::tenant::Tenant;

/// Ten years, as kubeadm's (`kubeadmconstants.CACertificateValidityPeriod`).
const LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// What a control plane trusts or signs with, each in a Secret of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter)]
pub enum Authority {
    /// What nodes pin: signs serving certificates and the API server's client certificate for kubelets.
    Cluster,
    /// Signs the client certificates of nodes, components and people.
    Client,
    /// Signs the serving certificates of kubelets.
    KubeletServing,
    /// Signs the client certificate with which the API server calls aggregated API servers. A CA of its
    /// own: whoever holds such a certificate may claim to be any user.
    FrontProxy,
    /// Signs everything between etcd, its members and its clients.
    Etcd,
    /// Signs service-account tokens: a key pair, no certificate.
    ServiceAccount,
}

impl Authority {
    /// Every one of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// Name of its Secret, and of the CA itself. The number is the generation: a rotation makes the
    /// next one beside it, under another name, since some TLS stacks find an issuer by name alone.
    #[must_use]
    pub const fn secret_name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster-ca-1",
            Self::Client => "client-ca-1",
            Self::KubeletServing => "kubelet-serving-ca-1",
            Self::FrontProxy => "front-proxy-ca-1",
            Self::Etcd => "etcd-ca-1",
            Self::ServiceAccount => "service-account-1",
        }
    }
}

/// The authorities whose Secrets are not in `existing` (by name) and have to be created.
#[must_use]
pub fn missing_authorities(existing: &BTreeMap<String, Secret>) -> Vec<Authority> {
    Authority::all().filter(|authority| !existing.contains_key(authority.secret_name())).collect()
}

/// A new authority in its immutable Secret. To be created by `POST`, never applied: when the
/// answer is 409, somebody was faster, and the Secret has to be read again.
///
/// Its UID label names the `TenantCluster` that it was made for; an adopted plane keeps it.
///
/// # Errors
/// [`CertificateError::Mint`].
pub fn build_authority_secret(
    tenant: &Tenant,
    authority: Authority,
    now: Timestamp,
) -> Result<Secret, CertificateError> {
    let name = authority.secret_name();
    let mint = |source| CertificateError::Mint { what: name, source };
    let (type_, data) = if authority == Authority::ServiceAccount {
        let pair = ServiceAccountKey::generate().map_err(mint)?;
        let data =
            [(SA_PRIVATE_KEY, pair.private_pem().to_owned()), (SA_PUBLIC_KEY, pair.public_pem())];
        (secret_data::OPAQUE, data)
    } else {
        let ca = CertificateAuthority::generate(name, now, LIFE).map_err(mint)?;
        let data =
            [(CERTIFICATE, ca.cert_pem().to_owned()), (PRIVATE_KEY, ca.key_pem().to_owned())];
        (secret_data::TLS, data)
    };
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(name)),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        type_: Some(type_.to_owned()),
        data: Some(
            data.map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).into(),
        ),
        ..Secret::default()
    })
}

/// Every authority of one control plane, read and checked.
#[derive(Debug)]
pub struct Authorities {
    /// See [`Authority::Cluster`].
    pub cluster: CertificateAuthority,
    /// See [`Authority::Client`].
    pub client: CertificateAuthority,
    /// See [`Authority::KubeletServing`].
    pub kubelet_serving: CertificateAuthority,
    /// See [`Authority::FrontProxy`].
    pub front_proxy: CertificateAuthority,
    /// See [`Authority::Etcd`].
    pub etcd: CertificateAuthority,
    /// See [`Authority::ServiceAccount`].
    pub service_account: ServiceAccountKey,
}

impl Authorities {
    /// By a clock that is behind one of them not everything can be told: what it has signed may be dated ahead.
    #[must_use]
    pub fn are_valid_by(&self, now: Timestamp) -> bool {
        let Self { cluster, client, kubelet_serving, front_proxy, etcd, service_account: _ } = self;
        [cluster, client, kubelet_serving, front_proxy, etcd]
            .iter()
            .all(|ca| now >= ca.not_before())
    }

    /// Reads them from their Secrets, given by name.
    ///
    /// # Errors
    /// Which Secret is missing or cannot be used. A CA is never made anew in its place: that would lock
    /// out every node.
    pub fn read(existing: &BTreeMap<String, Secret>) -> Result<Self, CertificateError> {
        Ok(Self {
            cluster: read_ca(existing, Authority::Cluster)?,
            client: read_ca(existing, Authority::Client)?,
            kubelet_serving: read_ca(existing, Authority::KubeletServing)?,
            front_proxy: read_ca(existing, Authority::FrontProxy)?,
            etcd: read_ca(existing, Authority::Etcd)?,
            service_account: read_service_account(existing)?,
        })
    }

    /// PEM certificate of the cluster CA: what nodes pin.
    #[must_use]
    pub fn cluster_ca_pem(&self) -> &str {
        self.cluster.cert_pem()
    }
}

fn read_ca(
    existing: &BTreeMap<String, Secret>,
    authority: Authority,
) -> Result<CertificateAuthority, CertificateError> {
    CertificateAuthority::from_pem(
        read_key(existing, authority, CERTIFICATE)?,
        read_key(existing, authority, PRIVATE_KEY)?,
    )
    .map_err(|source| CertificateError::AuthorityUnreadable {
        secret: authority.secret_name(),
        source,
    })
}

/// The public half is compared too: it sits in the Secret for kube-apiserver, which verifies with it
/// what it has signed with the private half.
fn read_service_account(
    existing: &BTreeMap<String, Secret>,
) -> Result<ServiceAccountKey, CertificateError> {
    let authority = Authority::ServiceAccount;
    let secret = authority.secret_name();
    let pair = ServiceAccountKey::from_pem(read_key(existing, authority, SA_PRIVATE_KEY)?)
        .map_err(|source| CertificateError::AuthorityUnreadable { secret, source })?;
    if read_key(existing, authority, SA_PUBLIC_KEY)? == pair.public_pem() {
        Ok(pair)
    } else {
        Err(CertificateError::AuthorityIncomplete { secret, key: SA_PUBLIC_KEY })
    }
}

fn read_key<'a>(
    existing: &'a BTreeMap<String, Secret>,
    authority: Authority,
    key: &'static str,
) -> Result<&'a str, CertificateError> {
    let name = authority.secret_name();
    let secret = existing.get(name).ok_or(CertificateError::AuthorityMissing { secret: name })?;
    secret_data::text(secret, key)
        .ok_or(CertificateError::AuthorityIncomplete { secret: name, key })
}
