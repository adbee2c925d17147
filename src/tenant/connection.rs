//! One pooled HTTP/2 connection to a tenant's API server, as a `kube::Client`.
//!
//! kube's stock client speaks HTTP/1 only, a TCP connection per watch; here every request and every
//! watch of a tenant is a stream of one connection, which reconnects by itself when it breaks.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri, uri};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::client::Body;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tower::{BoxError, Layer, Service};
use tower_http::timeout::TimeoutBody;

use super::dial::{Dial, Link};
use super::tls::{self, ClientCertificate, TlsError};
use crate::leader::Fence;

/// TCP has to be connected by then.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Connecting, TLS and the whole answer together, watches excepted.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// A watch that says nothing for so long is given up. Longer than the 290 s after which kube asks the server to end
/// one, if nobody says otherwise; a dead peer is noticed long before, by the pings.
const WATCH_IDLE_DEADLINE: Duration = Duration::from_mins(5);
/// A silent connection is asked whether it still lives, and dropped when no answer comes.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_DEADLINE: Duration = Duration::from_secs(5);
/// An answer that is larger than this is not for us: we read single objects (1.5 MiB at most, etcd's limit), pages of ten,
/// and metadata.
const LARGEST_ANSWER: usize = 16 << 20;

/// Where a tenant's API server is and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantIdentity {
    /// ClusterIP and port of the internal Service; no DNS is asked.
    pub address: SocketAddr,
    /// Name that the serving certificate has to carry.
    pub server_name: String,
    /// Cluster CA.
    pub ca_pem: String,
    /// The manager's client certificate for this tenant.
    pub cert_pem: String,
    /// Its key.
    pub key_pem: String,
}

impl std::fmt::Debug for TenantIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantIdentity")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// A whole answer, or the stream of a watch.
pub type Answer = Either<Full<Bytes>, TimeoutBody<Incoming>>;

/// The connection; connects on first use.
#[derive(Clone)]
pub struct TenantConnection {
    http: legacy::Client<HttpsConnector<FixedAddress>, Body>,
    authority: uri::Authority,
}

impl TenantConnection {
    /// A client for the tenant, that connects with `dial` and writes only as `fence` allows. Must be called inside a
    /// tokio runtime. Nothing is sent yet; the connection ends when the last clone of the client is dropped.
    ///
    /// # Errors
    /// [`TlsError`]: the identity cannot be used.
    pub fn open(
        identity: &TenantIdentity,
        fence: &Fence,
        dial: &Arc<dyn Dial>,
    ) -> Result<kube::Client, TlsError> {
        let bad_name = || TlsError::ServerName { name: identity.server_name.clone() };
        let server_name =
            ServerName::try_from(identity.server_name.clone()).map_err(|_| bad_name())?;
        let authority = uri::Authority::try_from(match server_name {
            ServerName::IpAddress(_) => identity.address.to_string(),
            _ => format!("{}:{}", identity.server_name, identity.address.port()),
        })
        .map_err(|_| bad_name())?;
        let config = tls::client_config(
            &identity.ca_pem,
            Some(ClientCertificate {
                certificate_pem: &identity.cert_pem,
                key_pem: &identity.key_pem,
            }),
        )?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .with_server_name_resolver(FixedServerNameResolver::new(server_name))
            .enable_http2()
            .wrap_connector(FixedAddress { address: identity.address, dial: Arc::clone(dial) });
        let http = legacy::Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_DEADLINE)
            .build(connector);
        Ok(kube::Client::new(fence.layer(Self { http, authority }), "default"))
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let watch = is_watch(request.uri());
        let request = self.addressed(request)?;
        if watch {
            let answer = timeout(REQUEST_DEADLINE, self.http.request(request)).await??;
            return Ok(answer.map(|body| Either::Right(given_up_if_silent(body))));
        }
        timeout(REQUEST_DEADLINE, async {
            let (parts, body) = self.http.request(request).await?.into_parts();
            let bytes = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, Either::Left(Full::new(bytes))))
        })
        .await?
    }

    /// kube gives only path and query.
    fn addressed(&self, request: Request<Body>) -> Result<Request<Body>, http::Error> {
        let (mut parts, body) = request.into_parts();
        let mut target = parts.uri.into_parts();
        target.scheme = Some(uri::Scheme::HTTPS);
        target.authority = Some(self.authority.clone());
        parts.uri = Uri::from_parts(target)?;
        Ok(Request::from_parts(parts, body))
    }
}

impl Service<Request<Body>> for TenantConnection {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

pub(super) fn given_up_if_silent<B>(watch: B) -> TimeoutBody<B> {
    TimeoutBody::new(WATCH_IDLE_DEADLINE, watch)
}

fn is_watch(uri: &Uri) -> bool {
    uri.query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1"))
}

/// Connects to the one address, whatever the URI says.
#[derive(Clone)]
struct FixedAddress {
    address: SocketAddr,
    dial: Arc<dyn Dial>,
}

impl Service<Uri> for FixedAddress {
    type Response = TokioIo<Link>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let link = self.dial.dial(self.address);
        Box::pin(async move { Ok(TokioIo::new(timeout(CONNECT_DEADLINE, link).await??)) })
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use serde_json::Value;

    use super::super::test_server::{TestServer, authority, over_tcp, reads_only};
    use super::*;

    async fn get(client: &kube::Client, path: &str) -> Result<Value, kube::Error> {
        client.request(Request::get(path).body(Vec::new()).unwrap()).await
    }

    #[tokio::test]
    async fn all_requests_are_streams_of_one_http2_connection() {
        let server = TestServer::start().await;
        let client =
            TenantConnection::open(&server.identity(), &reads_only(), &over_tcp()).unwrap();
        get(&client, "/first").await.unwrap();
        let answers = join_all((0..50).map(|_| get(&client, "/other"))).await;
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap()["version"] == "HTTP/2.0"));
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn a_server_with_another_name_or_another_authority_is_not_talked_to() {
        let server = TestServer::start().await;
        let misnamed =
            TenantIdentity { server_name: "kube-apiserver.other".to_owned(), ..server.identity() };
        let untrusted = TenantIdentity {
            ca_pem: authority("kubernetes-ca-1").cert_pem().to_owned(),
            ..server.identity()
        };
        for identity in [misnamed, untrusted] {
            let client = TenantConnection::open(&identity, &reads_only(), &over_tcp()).unwrap();
            assert!(get(&client, "/").await.is_err());
        }
    }

    #[tokio::test]
    async fn an_identity_that_cannot_be_used_says_which_part() {
        let server = TestServer::start().await;
        let refused = |identity: TenantIdentity| {
            TenantConnection::open(&identity, &reads_only(), &over_tcp())
                .err()
                .expect("refused")
                .to_string()
        };
        let empty = String::new();
        assert!(
            refused(TenantIdentity { ca_pem: empty.clone(), ..server.identity() }).contains("CA")
        );
        assert!(
            refused(TenantIdentity { key_pem: empty, ..server.identity() }).contains("client key")
        );
        let other = TenantIdentity { key_pem: server.ca.key_pem().to_owned(), ..server.identity() };
        assert!(refused(other).contains("client certificate"));
    }

    #[test]
    fn only_watches_may_take_longer() {
        let is = |uri: &'static str| is_watch(&Uri::from_static(uri));
        assert!(is("/api/v1/nodes?&watch=true&resourceVersion=1"));
        assert!(!is("/api/v1/nodes?labelSelector=watch%3Dtrue"));
        assert!(!is("/api/v1/nodes"));
    }
}
