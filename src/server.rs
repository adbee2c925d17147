//! The manager's own HTTP server: `/livez`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers from what it is given; holds no state of its own.
pub struct Server {
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Server {
    /// Takes the port, so that a port in use is an error at start.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        metrics: Arc<Metrics>,
        readiness: Readiness,
    ) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, metrics, readiness })
    }

    /// Serves until `shutdown`. A connection that breaks ends alone.
    pub async fn serve(self, shutdown: CancellationToken) {
        let answers = Arc::new(Answers { metrics: self.metrics, readiness: self.readiness });
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => drop(tokio::spawn(serve_connection(stream, answers.clone()))),
                Err(error) => {
                    // Out of file descriptors, most likely: let others end before the next try.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

struct Answers {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

async fn serve_connection(stream: tokio::net::TcpStream, answers: Arc<Answers>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answers.to(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    // hyper ends connections whose request head takes more than 30 s, given a timer.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke");
    }
}

impl Answers {
    fn to(&self, method: &Method, path: &str) -> Response<String> {
        if method != Method::GET && method != Method::HEAD {
            return answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET only\n".to_owned());
        }
        match path {
            "/livez" => answer(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            "/readyz" => self.ready(),
            "/metrics" => match self.metrics.encode() {
                Ok(text) => answer(StatusCode::OK, OPENMETRICS, text),
                Err(error) => {
                    answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n"))
                }
            },
            _ => answer(
                StatusCode::NOT_FOUND,
                PLAIN,
                "there is /livez, /readyz and /metrics\n".to_owned(),
            ),
        }
    }

    fn ready(&self) -> Response<String> {
        let waiting = self.readiness.waiting_for();
        if waiting.is_empty() {
            return answer(StatusCode::OK, PLAIN, "ok\n".to_owned());
        }
        let text = format!("waiting for {}\n", waiting.join(", "));
        answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text)
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(readiness: Readiness) -> Answers {
        Answers { metrics: Arc::default(), readiness }
    }

    #[test]
    fn a_manager_is_ready_once_every_gate_was_passed() {
        let readiness = Readiness::default();
        let gate = readiness.gate("the list of tenantclusters");
        let answers = answers(readiness);
        let before = answers.to(&Method::GET, "/readyz");
        assert_eq!(before.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(before.body().contains("the list of tenantclusters"));
        gate.pass();
        assert_eq!(answers.to(&Method::GET, "/readyz").status(), StatusCode::OK);
    }

    #[test]
    fn metrics_are_served_as_openmetrics() {
        let response = answers(Readiness::default()).to(&Method::GET, "/metrics");
        assert_eq!(response.headers()[header::CONTENT_TYPE], OPENMETRICS);
        assert!(response.body().ends_with("# EOF\n"));
    }

    #[test]
    fn nothing_can_be_written() {
        let response = answers(Readiness::default()).to(&Method::POST, "/livez");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
