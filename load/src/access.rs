//! What of a kubeconfig is needed to ask: where, whom to trust, and who asks.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_yaml_ng::Value;

use crate::Error;

/// A cluster, and credentials for it.
pub struct Access {
    /// `https://host:port`.
    pub server: String,
    /// Trust and identity.
    pub tls: rustls::ClientConfig,
}

/// Reads the first cluster and the first user of a kubeconfig with embedded certificates.
pub fn read(path: &Path) -> Result<Access, Error> {
    let unusable = |why: String| Error::Kubeconfig(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let config: Value =
        serde_yaml_ng::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    let field = |list: &str, part: &str, name: &str| {
        let found = config.get(list).and_then(|all| all.get(0)?.get(part)?.get(name)?.as_str());
        found.ok_or_else(|| unusable(format!("has no {list}[0].{part}.{name}")))
    };
    let pem = |list: &str, part: &str, name: &str| {
        let decoded = BASE64.decode(field(list, part, name)?);
        decoded.map_err(|error| unusable(format!("{name} is no base64: {error}")))
    };
    let bad = |error: &dyn std::fmt::Display| unusable(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    for authority in
        CertificateDer::pem_slice_iter(&pem("clusters", "cluster", "certificate-authority-data")?)
    {
        roots.add(authority.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&pem("users", "user", "client-certificate-data")?)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&pem("users", "user", "client-key-data")?)
        .map_err(|error| bad(&error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| bad(&error))?;
    Ok(Access { server: field("clusters", "cluster", "server")?.to_owned(), tls })
}
