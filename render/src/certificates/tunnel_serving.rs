//! Which certificate the tunnel's server has to have read: it reads it once, when it starts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

use super::secret_data::{self, certificate};
use super::{Leaf, LeafSecret};
use crate::digest::hex;

/// A digest of it, for the template of its pods ([`crate::plane::PlaneObjects::with_tunnel_certificate`]); `None`: there is no
/// tunnel.
#[must_use]
pub fn tunnel_certificate_digest(secrets: &BTreeMap<String, Secret>) -> Option<String> {
    let (_, pair) = Leaf::TunnelServing.place();
    let secret = secrets.get(LeafSecret::Tunnel.secret_name())?;
    let digest = Sha256::digest(secret_data::text(secret, &certificate(pair))?);
    Some(hex(&digest[..8]))
}
