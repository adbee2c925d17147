//! TLS to whoever answers, or only to whom a CA vouches for; and what its failures mean.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    RootCertStore, SignatureScheme, StreamOwned,
};

use crate::cluster_info::pem;
use crate::facts::Failure;

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Who is spoken to.
#[derive(Clone, Copy)]
pub enum Trust<'a> {
    /// Anybody: nothing is told that has to stay a secret.
    Anybody,
    /// Whom one of these CAs has signed.
    Cas(&'a [CertificateDer<'static>]),
}

/// Shakes hands. The clock is `now`.
///
/// # Errors
/// What it failed of.
pub fn handshake(
    mut tcp: TcpStream,
    host: &str,
    trust: Trust<'_>,
    now: Timestamp,
) -> io::Result<Stream> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let name = ServerName::try_from(host.to_owned()).map_err(|error| other(&error))?;
    let config = config(trust, now).map_err(|error| other(&error))?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|error| other(&error))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(tls, tcp))
}

/// The certificate of the other side as PEM, if it has shown one.
pub fn certificate(stream: &Stream) -> Option<String> {
    Some(pem(stream.conn.peer_certificates()?.first()?))
}

fn config(trust: Trust<'_>, now: Timestamp) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider.clone(), Arc::new(Clock(now)))
        .with_safe_default_protocol_versions()?;
    let Trust::Cas(cas) = trust else {
        let verifier = Arc::new(BelievesAnybody(provider));
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        return Ok(builder.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for ca in cas {
        roots.add(ca.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(builder.with_webpki_verifier(verifier).with_no_client_auth())
}

#[derive(Debug)]
struct Clock(Timestamp);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.as_second().try_into().ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// As kubeadm's first connection: what it brings is believed only once the token and the pin have vouched for it.
#[derive(Debug)]
struct BelievesAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for BelievesAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What an error of a connection to `host` means.
pub fn failure(error: &io::Error, host: &str, now: Timestamp, patience: u64) -> Failure {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return Failure::TimedOut(patience);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Failure::Expired(now)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Failure::NotYetValid(now)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Failure::OtherName(host.to_owned())
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Failure::OtherIssuer
            }
            other => Failure::Other(other.to_string()),
        },
        Some(rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
            Failure::NameRefused(host.to_owned())
        }
        Some(rustls::Error::AlertReceived(AlertDescription::InternalError)) => {
            Failure::NotThrough(host.to_owned())
        }
        _ => Failure::Other(error.to_string()),
    }
}
