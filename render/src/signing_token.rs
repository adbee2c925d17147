//! The manager's own bootstrap token of a tenant: it signs cluster-info, so that the signature can be
//! checked at any time, and lets nobody in. Kept beside the CAs, made once.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_pki::BootstrapToken;

use crate::tenant::Tenant;

/// Name of its Secret in the control-plane namespace.
pub const SIGNING_TOKEN_SECRET: &str = "signing-token";

const TOKEN: &str = "token";

/// The Secret that keeps `token`. Made once with a POST, never applied.
#[must_use]
pub fn build_signing_token_secret(tenant: &Tenant, token: &BootstrapToken) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SIGNING_TOKEN_SECRET.to_owned()),
            namespace: Some(tenant.plane_namespace.clone()),
            labels: Some(tenant.labels(SIGNING_TOKEN_SECRET)),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some([(TOKEN.to_owned(), ByteString(token.to_string().into_bytes()))].into()),
        ..Secret::default()
    }
}

/// The token in `secret`, if it holds one.
#[must_use]
pub fn read_signing_token(secret: &Secret) -> Option<BootstrapToken> {
    let bytes = &secret.data.as_ref()?.get(TOKEN)?.0;
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
