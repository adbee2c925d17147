//! The bootstrap token as kubeadm writes it into kube-system of the tenant cluster
//! (`cmd/kubeadm/app/apis/bootstraptoken/v1/utils.go`).

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use nagaya_pki::BootstrapToken;

use crate::content::{NODE_TOKEN_GROUP, kube_system_meta};

/// Name of the Secret of a bootstrap token, in the tenant's kube-system.
#[must_use]
pub fn bootstrap_token_secret_name(token_id: &str) -> String {
    format!("bootstrap-token-{token_id}")
}

/// A token that nodes join with until `expiration`; kube-controller-manager's tokencleaner removes it then.
#[must_use]
pub fn build_bootstrap_token_secret(
    token: &BootstrapToken,
    expiration: Timestamp,
    description: &str,
) -> Secret {
    let rights = [("usage-bootstrap-signing", "true"), ("auth-extra-groups", NODE_TOKEN_GROUP)];
    build_until(token, expiration, description, &rights)
}

/// A token for authentication alone until `expiration`: no signature on cluster-info, and none of kubeadm's groups, so no rights.
#[must_use]
pub fn build_token_secret_without_rights(
    token: &BootstrapToken,
    expiration: Timestamp,
    description: &str,
) -> Secret {
    build_until(token, expiration, description, &[])
}

fn build_until(
    token: &BootstrapToken,
    expiration: Timestamp,
    description: &str,
    rights: &[(&str, &str)],
) -> Secret {
    // RFC 3339 in UTC and whole seconds, rounded down: a token never outlives what was promised.
    let expiration = expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let usual = [
        ("usage-bootstrap-authentication", "true"),
        ("expiration", &expiration),
        ("description", description),
    ];
    build_token_secret(token, &[&usual, rights].concat())
}

/// A bootstrap token's Secret: what identifies it, and `rest` of its data.
pub(crate) fn build_token_secret(token: &BootstrapToken, rest: &[(&str, &str)]) -> Secret {
    let identity = [("token-id", token.id()), ("token-secret", token.secret())];
    Secret {
        metadata: kube_system_meta(&bootstrap_token_secret_name(token.id())),
        type_: Some("bootstrap.kubernetes.io/token".to_owned()),
        data: Some(
            identity
                .iter()
                .chain(rest)
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
        ),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiration_is_in_utc_and_rounded_down() {
        let token = BootstrapToken::from_parts("abcdef", "0123456789abcdef").unwrap();
        let expiration = "2026-11-22T13:00:00.999+01:00".parse().unwrap();
        let secret = build_bootstrap_token_secret(&token, expiration, "");
        assert_eq!(secret.data.unwrap()["expiration"].0, b"2026-11-22T12:00:00Z");
    }

    #[test]
    fn a_token_without_rights_ends_by_itself_signs_nothing_and_has_no_groups() {
        let token = BootstrapToken::from_parts("abcdef", "0123456789abcdef").unwrap();
        let end = Timestamp::UNIX_EPOCH;
        let data = build_token_secret_without_rights(&token, end, "").data.unwrap();
        assert_eq!(data["expiration"].0, b"1970-01-01T00:00:00Z");
        let keys = ["description", "expiration", "token-id", "token-secret"];
        let usages = ["usage-bootstrap-authentication"];
        assert!(data.keys().eq(keys.iter().chain(&usages)), "{:?}", data.keys());
    }
}
