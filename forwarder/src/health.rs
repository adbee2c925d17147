//! `/healthz` and `/readyz` for the kubelet, in plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::gateways::Gateways;

/// What readiness is made of.
#[derive(Debug)]
pub struct Health {
    gateways: Arc<Gateways>,
    draining: AtomicBool,
}

impl Health {
    /// Of a forwarder that has its port.
    #[must_use]
    pub fn new(gateways: Arc<Gateways>) -> Arc<Self> {
        Arc::new(Self { gateways, draining: AtomicBool::new(false) })
    }

    /// It is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn answer(&self, path: &str) -> (StatusCode, &'static str) {
        match path {
            "/readyz" if self.draining.load(Ordering::Relaxed) => {
                (StatusCode::SERVICE_UNAVAILABLE, "it drains\n")
            }
            "/readyz" if !self.gateways.are_reached() => {
                (StatusCode::SERVICE_UNAVAILABLE, "the gateway cannot be reached\n")
            }
            "/healthz" | "/readyz" => (StatusCode::OK, "ok\n"),
            _ => (StatusCode::NOT_FOUND, "there is /healthz and /readyz\n"),
        }
    }

    /// Serves. Ends only when dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve_connection(stream, self.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of the health port");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, health: Arc<Health>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (status, text) = health.answer(request.uri().path());
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // One question and its answer: who ends keeps no connection of the kubelet's.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the health port broke off");
    }
}
