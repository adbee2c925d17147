//! A `JoinToken` in two places: the bootstrap token's Secret inside the tenant cluster, and the Secret
//! `NAME-join` beside the `JoinToken`, with what a node needs.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use nagaya_api::JoinToken;
use nagaya_pki::BootstrapToken;

use crate::settings::Settings;
use crate::tenant::{Endpoint, Tenant};

/// Why a `JoinToken` cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum JoinTokenError {
    /// `spec.ttl` is not a duration.
    #[error("spec.ttl: {ttl:?} is not a duration; write hours, minutes and seconds like 24h or 1h30m")]
    Ttl {
        /// As given.
        ttl: String,
    },
    /// The user-data could not be written as YAML.
    #[error("the cloud-init user-data cannot be written as YAML")]
    CloudInit(#[source] serde_yaml_ng::Error),
}

/// What the Secret `NAME-join` is made from.
#[derive(Clone, Copy, Debug)]
pub struct JoinInputs<'a> {
    /// Owner of the Secret; must come from the API server (name, namespace, UID).
    pub join_token: &'a JoinToken,
    /// The cluster to join.
    pub tenant: &'a Tenant,
    /// Where it is reached.
    pub endpoint: &'a Endpoint,
    /// What nodes authenticate with.
    pub token: &'a BootstrapToken,
    /// `sha256:HEX` of the cluster CA's public key.
    pub ca_cert_hash: &'a str,
}

/// Name of the Secret of a `JoinToken`.
#[must_use]
pub fn join_secret_name(join_token: &str) -> String {
    format!("{join_token}-join")
}

/// Name of the Secret of a bootstrap token, in the tenant's kube-system.
#[must_use]
pub fn bootstrap_token_secret_name(token_id: &str) -> String {
    format!("bootstrap-token-{token_id}")
}

/// The life span in `spec.ttl`.
///
/// # Errors
/// [`JoinTokenError::Ttl`].
pub fn parse_ttl(ttl: &str) -> Result<SignedDuration, JoinTokenError> {
    Err(JoinTokenError::Ttl { ttl: ttl.to_owned() })
}

/// The bootstrap token as kubeadm writes it into kube-system of the tenant; tokencleaner removes it after
/// `expiration`.
#[must_use]
pub fn build_bootstrap_token_secret(
    _token: &BootstrapToken,
    _expiration: Timestamp,
    _description: &str,
) -> Secret {
    Secret::default()
}

/// The Secret `NAME-join`, owned by the `JoinToken`; keys as in [`nagaya_api::secret_keys`].
///
/// # Errors
/// [`JoinTokenError::CloudInit`].
pub fn build_join_secret(
    _inputs: &JoinInputs<'_>,
    _settings: &Settings,
) -> Result<Secret, JoinTokenError> {
    Ok(Secret::default())
}
