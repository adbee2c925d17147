//! The operator's HTTP port: `/healthz`, `/readyz`, `/metrics`, `/routes`, `/limited`, `/limited.json`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nagaya_api::{LIMITED_PATH, LimitedRoutes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::pending::Pending;
use crate::routes::Table;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PATHS: &str = "there is /healthz, /readyz, /metrics, /routes, /limited and /limited.json\n";

const WAITING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether load balancers should send clients here. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// The first whole list of routes is there. Nothing brings back one that drains.
    pub fn filled(&self) {
        let _ = self.0.compare_exchange(WAITING, READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It is about to end.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    /// Why not; none: it is ready.
    #[must_use]
    pub fn waits_for(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Relaxed) {
            READY => None,
            DRAINING => Some("its connections to end: it drains"),
            _ => Some("the first list of routes"),
        }
    }
}

/// Answers from what it is given.
pub struct Admin {
    /// Ready or not.
    pub readiness: Readiness,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The routes.
    pub tables: watch::Receiver<Arc<Table>>,
    /// Those that have not said what they want.
    pub pending: Option<Arc<Pending>>,
}

impl Admin {
    /// Takes the port, so that one in use is an error at start.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    /// Serves. A connection that breaks ends alone. Ends only when dropped.
    pub async fn serve(self, listener: TcpListener) {
        let admin = Arc::new(self);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve_connection(stream, admin.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of the admin port");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<String> {
        if method != Method::GET && method != Method::HEAD {
            return answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET only\n".to_owned());
        }
        match path {
            "/healthz" => answer(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            "/routes" => answer(StatusCode::OK, PLAIN, self.tables.borrow().told()),
            "/limited" => {
                answer(StatusCode::OK, PLAIN, self.tables.borrow().limited(Instant::now()))
            }
            LIMITED_PATH => self.limited(),
            _ => answer(StatusCode::NOT_FOUND, PLAIN, PATHS.to_owned()),
        }
    }

    fn ready(&self) -> Response<String> {
        match self.readiness.waits_for() {
            None => answer(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            Some(what) => {
                answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("waiting for {what}\n"))
            }
        }
    }

    fn limited(&self) -> Response<String> {
        let limited = self.tables.borrow().limited_for_programs(Instant::now());
        let gateway = rustix::system::uname().nodename().to_string_lossy().into_owned();
        match serde_json::to_string(&LimitedRoutes { gateway, limited }) {
            Ok(text) => answer(StatusCode::OK, JSON, text),
            Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        }
    }

    fn metrics(&self) -> Response<String> {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.len());
        self.metrics.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        match self.metrics.encode() {
            Ok(text) => answer(StatusCode::OK, OPENMETRICS, text),
            Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        }
    }
}

async fn serve_connection(stream: TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = admin.answer(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    // hyper ends connections whose request head takes more than 30 s, given a timer.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the admin port broke off");
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin() -> Admin {
        Admin {
            readiness: Readiness::default(),
            metrics: Arc::default(),
            tables: watch::channel(Arc::default()).1,
            pending: None,
        }
    }

    #[test]
    fn it_is_ready_with_the_first_routes_and_never_again_once_it_drains() {
        let admin = admin();
        let says = || admin.answer(&Method::GET, "/readyz");
        assert_eq!(says().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(says().body().contains("routes"));
        admin.readiness.filled();
        assert_eq!(says().status(), StatusCode::OK);
        admin.readiness.drain();
        admin.readiness.filled();
        assert_eq!(says().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(admin.answer(&Method::GET, "/healthz").status(), StatusCode::OK);
    }

    #[test]
    fn programs_are_told_who_is_limited_and_by_which_gateway() {
        let response = admin().answer(&Method::GET, LIMITED_PATH);
        assert_eq!(response.headers()[header::CONTENT_TYPE], JSON);
        let said: LimitedRoutes = serde_json::from_str(response.body()).unwrap();
        assert!(!said.gateway.is_empty());
        assert_eq!(said.limited, []);
    }

    #[test]
    fn metrics_are_served_as_openmetrics_and_nothing_can_be_written() {
        let admin = admin();
        let response = admin.answer(&Method::GET, "/metrics");
        assert_eq!(response.headers()[header::CONTENT_TYPE], OPENMETRICS);
        assert!(response.body().ends_with("# EOF\n"));
        let status = admin.answer(&Method::POST, "/routes").status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
