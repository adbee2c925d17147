//! Two ways to ask: over one connection for all (HTTP/2, as client-go does), or over one of its own.

use std::error::Error;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::access::Access;

/// Before a question that was put off is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// Half of what kube-apiserver gives a request (`--request-timeout`): slow is not refused, and told apart.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the client's libraries say when the server has not seen a request, beside hyper's `is_canceled`. In h2's
/// words: GOAWAY without an error (RFC 9113 section 6.8). In hyper's: more streams than the connection may have were
/// open, and it ended before this one could be opened (`fut_ctx` in hyper's `proto/h2/client.rs`, dropped with the
/// connection).
const NOT_BEGUN: [&str; 2] = ["not a result of an error", "runtime dropped the dispatch task"];

/// Over which connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The one that all share.
    Shared,
    /// A new one.
    Fresh,
}

/// Asks one cluster.
pub struct Client {
    server: String,
    shared: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    fresh: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deferred: AtomicU64,
}

/// How one attempt ended that brought no answer.
enum Failure {
    /// The server has not begun, and says to ask again: 429 and 503 with `Retry-After`, or GOAWAY.
    Later,
    For(Refusal),
}

impl Failure {
    fn of(error: &(dyn Error + 'static)) -> Self {
        if causes(error).filter_map(|cause| cause.downcast_ref()).any(hyper::Error::is_canceled) {
            return Self::Later;
        }
        // The layers above the last one only say that something failed.
        let words = causes(error).last().map(ToString::to_string).unwrap_or_default();
        if NOT_BEGUN.iter().any(|known| words.contains(known)) {
            return Self::Later;
        }
        Self::For(words)
    }

    fn words(self) -> Refusal {
        match self {
            Self::Later => "put off".to_owned(),
            Self::For(refusal) => refusal,
        }
    }
}

/// A refusal, in a few words that can be counted.
pub type Refusal = String;

impl Client {
    pub fn new(access: &Access) -> Self {
        let connector =
            || HttpsConnectorBuilder::new().with_tls_config(access.tls.clone()).https_only();
        // Nothing is asked again that is not counted.
        let shared = Pool::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .http2_only(true)
            .build(connector().enable_http2().build());
        let fresh = Pool::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_max_idle_per_host(0)
            .build(connector().enable_http1().build());
        Self { server: access.server.clone(), shared, fresh, deferred: AtomicU64::new(0) }
    }

    /// One question, one answer. What the server puts off is asked once more, as every Kubernetes client does
    /// (client-go's `rest/with_retry.go`), and counted.
    pub async fn ask(
        &self,
        over: Over,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Refusal> {
        match self.attempt(over, method.clone(), path, body).await {
            Err(Failure::Later) => self.deferred.fetch_add(1, Ordering::Relaxed),
            Err(Failure::For(refusal)) => return Err(refusal),
            Ok(answer) => return Ok(answer),
        };
        tokio::time::sleep(PAUSE).await;
        match self.attempt(over, method, path, body).await {
            Err(Failure::Later) => Err("put off twice".to_owned()),
            answer => answer.map_err(Failure::words),
        }
    }

    /// How many questions were put off.
    pub fn deferred(&self) -> u64 {
        self.deferred.load(Ordering::Relaxed)
    }

    async fn attempt(
        &self,
        over: Over,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let answer = tokio::time::timeout(DEADLINE, async {
            let answer = self.send(over, method, path, body).await?;
            let (status, later) = (answer.status(), answer.headers().contains_key(RETRY_AFTER));
            let body = answer.into_body().collect().await.map_err(|error| Failure::of(&error))?;
            let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            match status.as_u16() {
                200..300 => Ok(body),
                429 | 503 if later => Err(Failure::Later),
                500.. => {
                    let message = body["message"].as_str().unwrap_or("without words");
                    Err(Failure::For(format!("status {}, {message}", status.as_u16())))
                }
                other => Err(Failure::For(format!("status {other}"))),
            }
        });
        answer.await.unwrap_or_else(|_| Err(Failure::For("no answer in time".to_owned())))
    }

    /// The answer as a stream, over a connection of its own.
    pub async fn open(&self, path: &str) -> Result<Incoming, Refusal> {
        let opened = self.send(Over::Fresh, Method::GET, path, None);
        let answer = tokio::time::timeout(DEADLINE, opened)
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(Failure::words)?;
        match answer.status().as_u16() {
            200 => Ok(answer.into_body()),
            status => Err(format!("status {status}")),
        }
    }

    async fn send(
        &self,
        over: Over,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Failure> {
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("content-type", kind)
            .body(Full::from(body.map(Value::to_string).unwrap_or_default()))
            .map_err(|error| Failure::For(error.to_string()))?;
        let client = if over == Over::Shared { &self.shared } else { &self.fresh };
        client.request(request).await.map_err(|error| Failure::of(&error))
    }
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |&cause: &&'e (dyn Error + 'static)| cause.source())
}
