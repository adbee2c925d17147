//! TLS towards a tenant: trusts that tenant's CA and nothing else.

use std::sync::{Arc, LazyLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// One for all: its lists of algorithms would be as much again as the rest of a configuration.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text is no PEM.
    #[error("the {what} is not readable as PEM: {source}; look at the Secret it comes from")]
    Pem {
        /// Which of the three texts.
        what: &'static str,
        /// What the parser objected to.
        source: pem::Error,
    },
    /// The certificates or the key do not fit together.
    #[error("the {what} cannot be used: {source}; look at the Secret it comes from")]
    Unusable {
        /// Which of them.
        what: &'static str,
        /// What rustls objected to.
        source: rustls::Error,
    },
    /// The name cannot stand in a certificate.
    #[error("{name:?} is neither a DNS name nor an IP address, so no certificate can name it")]
    ServerName {
        /// The name given.
        name: String,
    },
}

/// A client certificate with its key, both PEM.
#[derive(Clone, Copy)]
pub(crate) struct ClientCertificate<'a> {
    pub(crate) certificate_pem: &'a str,
    pub(crate) key_pem: &'a str,
}

/// A configuration that trusts the CAs in `ca_pem` only, with or without a client certificate.
pub(crate) fn client_config(
    ca_pem: &str,
    client: Option<ClientCertificate<'_>>,
) -> Result<ClientConfig, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates("CA certificate", ca_pem)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Unusable { what: "CA certificate", source })?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Unusable { what: "TLS provider", source })?
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let chain = certificates("client certificate", client.certificate_pem)?;
            let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())
                .map_err(|source| TlsError::Pem { what: "client key", source })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Unusable { what: "client certificate", source })?
        }
    };
    // Connections stay, and a probe wants to see the certificate: nobody resumes a session, and a store for 256 of them
    // would be kept for each tenant.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(
    what: &'static str,
    pem_text: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem_text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .and_then(|found| if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) })
        .map_err(|source| TlsError::Pem { what, source })
}
