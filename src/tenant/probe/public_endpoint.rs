//! One request through the public endpoint, over a connection of its own: a pooled one would go on
//! working after the Service is gone, and would not show the certificate again.

mod gateway;

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nagaya_render::probe::{Finding, Reason};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ProbeTarget;
use crate::tenant::{Link, tls};

/// Far more than any answer that we ask for.
const LARGEST_ANSWER: usize = 2 << 20;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndpointError {
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    #[error("{0}")]
    Connect(io::Error),
    #[error("{0}")]
    Handshake(io::Error),
    #[error("{0}")]
    Http(Box<dyn std::error::Error + Send + Sync>),
}

/// Sends a request to the public endpoint, trusting the tenant's cluster CA only.
pub(super) async fn call(
    target: &ProbeTarget,
    mut request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), EndpointError> {
    let stream = connect(target).await?;
    let http = |error: hyper::Error| EndpointError::Http(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    // Dropped with this call, and the connection with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let host = HeaderValue::try_from(target.endpoint.authority())
        .map_err(|error| EndpointError::Http(error.into()))?;
    request.headers_mut().insert(header::HOST, host);
    let (parts, body) = sender.send_request(request).await.map_err(http)?.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(EndpointError::Http)?;
    Ok((parts.status, body.to_bytes()))
}

async fn connect(target: &ProbeTarget) -> Result<TlsStream<Link>, EndpointError> {
    let host = &target.endpoint.host;
    let name = ServerName::try_from(host.clone())
        .map_err(|_| tls::TlsError::ServerName { name: host.clone() })?;
    let config = tls::client_config(&target.cluster_ca_pem, None)?;
    let stream = target.dial.dial(target.address).await.map_err(EndpointError::Connect)?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(EndpointError::Handshake)
}

impl EndpointError {
    /// What kubeadm would meet, in words: the same ones for the same trouble, since others are written to the status.
    /// How a connection breaks off, by a reset or by its end, differs from time to time.
    pub(super) fn finding(&self, target: &ProbeTarget) -> Finding {
        let endpoint = target.endpoint.authority();
        match self {
            Self::Tls(error) => Finding::failed(Reason::TlsFailed, error.to_string()),
            Self::Connect(error) => unreachable(target, error),
            Self::Handshake(error) => match tls_error(error) {
                Some(rustls::Error::InvalidCertificate(error)) => {
                    certificate_finding(error, &endpoint)
                }
                Some(rustls::Error::AlertReceived(alert)) if target.through_gateway => {
                    gateway::refuses(target, *alert)
                }
                Some(error) => {
                    let message = format!("TLS with {endpoint} fails: {error}");
                    Finding::failed(Reason::TlsFailed, message)
                }
                None => {
                    tracing::debug!(endpoint, %error, "TLS breaks off");
                    unreachable(target, &"it is closed before TLS is spoken")
                }
            },
            Self::Http(error) => {
                tracing::debug!(endpoint, %error, "no answer");
                let message = format!("{endpoint} accepts connections and does not answer");
                Finding::failed(Reason::EndpointUnhealthy, message)
            }
        }
    }
}

fn unreachable(target: &ProbeTarget, why: &dyn Display) -> Finding {
    if target.through_gateway {
        return gateway::unreachable(target, why);
    }
    let (address, endpoint) = (target.address, target.endpoint.authority());
    let suspect = &target.suspect;
    Finding::failed(
        Reason::EndpointUnreachable,
        format!(
            "cannot connect to {endpoint} ({address}): {why}; look whether a kube-apiserver is ready \
             (APIServerReady), whether the Service kube-apiserver-public is there, and {suspect}"
        ),
    )
}

/// No answer in time.
pub(super) fn timed_out(target: &ProbeTarget) -> Finding {
    if target.through_gateway {
        return gateway::timed_out(target);
    }
    let (address, endpoint) = (target.address, target.endpoint.authority());
    let suspect = &target.suspect;
    Finding::failed(
        Reason::EndpointTimeout,
        format!(
            "{endpoint} ({address}) does not answer in time: look for what drops packets on the \
             way, {suspect}, and at the log of kube-apiserver"
        ),
    )
}

/// Told by the other side or found in what it said, rather than a broken connection.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn certificate_finding(error: &CertificateError, endpoint: &str) -> Finding {
    let (reason, what) = match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (Reason::CertificateNameMismatch, "does not name the endpoint's host")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (Reason::CertificateExpired, "has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (Reason::CertificateExpired, "is not valid yet")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            (Reason::CertificateUntrusted, "is not signed by the tenant's cluster CA")
        }
        _ => (Reason::TlsFailed, "cannot be accepted"),
    };
    Finding::failed(
        reason,
        format!(
            "the certificate that {endpoint} shows {what}; look at what stands in front of it, and at the Secret \
             kube-apiserver-certs of the control plane"
        ),
    )
}

#[cfg(test)]
mod tests;
