//! One question to one pod of the gateway: plain HTTP on the pod network, as its metrics are read.

use std::error::Error;
use std::net::SocketAddr;

use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use nagaya_api::{LIMITED_PATH, LimitedRoutes};

use crate::tenant::Dial;

/// The longest answer: five thousand tenants, each by two limits.
const MOST_BYTES: usize = 2 << 20;

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// What the pod at `address` says. Who calls decides how long that may take.
pub(super) async fn ask(dial: &dyn Dial, address: SocketAddr) -> Result<LimitedRoutes, Failure> {
    let link = dial.dial(address).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(link)).await?;
    let request = Request::get(LIMITED_PATH).header(HOST, address.to_string()).body(Empty::new())?;
    // The connection ends once the answer is there, and its sender dropped.
    let (answer, _) = tokio::join!(exchange(sender, request), connection);
    Ok(serde_json::from_slice(&answer?)?)
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<Bytes, Failure> {
    let response = sender.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()).into());
    }
    Ok(Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes())
}
