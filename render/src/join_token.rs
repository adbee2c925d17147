//! A `JoinToken` in two places: the bootstrap token's Secret inside the tenant cluster, and the Secret
//! `NAME-join` beside the `JoinToken`, with what a node needs.

mod bootstrap_secret;
mod cloud_init;

use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use nagaya_api::{JoinToken, secret_keys};
use nagaya_pki::BootstrapToken;

pub(crate) use bootstrap_secret::build_token_secret;
pub use bootstrap_secret::{
    bootstrap_token_secret_name, build_bootstrap_token_secret, build_token_secret_without_rights,
};

use crate::go_duration;
use crate::settings::Settings;
use crate::tenant::{Endpoint, Tenant};

/// Why a `JoinToken` cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum JoinTokenError {
    /// `spec.ttl` is not a duration above zero.
    #[error(
        "spec.ttl: {ttl:?} is not a life span; write hours, minutes and seconds like 24h or 1h30m"
    )]
    Ttl {
        /// As given.
        ttl: String,
    },
    /// The object was not read from an API server, so nothing can belong to it.
    #[error("the JoinToken has no name and UID yet")]
    NotStored,
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

impl JoinInputs<'_> {
    /// The `kubeadm join` command line, word by word. None of them needs quoting in a shell.
    fn command(&self) -> Vec<String> {
        vec![
            "kubeadm".to_owned(),
            "join".to_owned(),
            self.endpoint.authority(),
            "--token".to_owned(),
            self.token.to_string(),
            "--discovery-token-ca-cert-hash".to_owned(),
            self.ca_cert_hash.to_owned(),
        ]
    }
}

/// Name of the Secret of a `JoinToken`.
#[must_use]
pub fn join_secret_name(join_token: &str) -> String {
    format!("{join_token}-join")
}

/// The life span in `spec.ttl`, a Go duration.
///
/// # Errors
/// [`JoinTokenError::Ttl`].
pub fn parse_ttl(ttl: &str) -> Result<SignedDuration, JoinTokenError> {
    go_duration::parse(ttl)
        .filter(SignedDuration::is_positive)
        .ok_or_else(|| JoinTokenError::Ttl { ttl: ttl.to_owned() })
}

/// The Secret `NAME-join`, owned by the `JoinToken`; keys as in [`nagaya_api::secret_keys`].
///
/// # Errors
/// [`JoinTokenError::NotStored`].
pub fn build_join_secret(
    inputs: &JoinInputs<'_>,
    settings: &Settings,
) -> Result<Secret, JoinTokenError> {
    let meta = &inputs.join_token.metadata;
    let owner = inputs.join_token.controller_owner_ref(&()).ok_or(JoinTokenError::NotStored)?;
    let data = [
        (secret_keys::TOKEN, inputs.token.to_string()),
        (secret_keys::CA_CERT_HASH, inputs.ca_cert_hash.to_owned()),
        (secret_keys::ENDPOINT, inputs.endpoint.authority()),
        (secret_keys::COMMAND, inputs.command().join(" ")),
        (secret_keys::CLOUD_INIT, cloud_init::user_data(inputs, settings)),
    ];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(join_secret_name(&owner.name)),
            namespace: meta.namespace.clone(),
            labels: Some(inputs.tenant.labels("join-token")),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(
            data.into_iter()
                .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())))
                .collect(),
        ),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_span_is_a_go_duration() {
        assert_eq!(parse_ttl("24h").unwrap(), SignedDuration::from_hours(24));
        assert_eq!(parse_ttl("1h30m").unwrap(), SignedDuration::from_mins(90));
    }

    #[test]
    fn a_life_span_that_is_none_is_refused_by_the_name_of_its_field() {
        for ttl in ["", "0s", "-1h", "1 day", "soon"] {
            let error = parse_ttl(ttl).unwrap_err().to_string();
            assert!(error.starts_with(&format!("spec.ttl: {ttl:?} is not a life span")), "{error}");
        }
    }
}
