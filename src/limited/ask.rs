//! One question to one pod of the gateway: plain HTTP on the pod network, as its metrics are read.

use std::error::Error;
use std::net::SocketAddr;

use http::header::HOST;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nagaya_api::{LIMITED_PATH, LimitedRoutes};

use crate::tenant::Dial;

/// The longest answer: five thousand tenants, each by two limits.
const MOST_BYTES: usize = 2 << 20;

/// What the pod at `address` says. Who calls decides how long that may take.
pub(super) async fn ask(dial: &dyn Dial, address: SocketAddr) -> Result<LimitedRoutes, String> {
    get(dial, address).await.map_err(|error| error.to_string())
}

async fn get(
    dial: &dyn Dial,
    address: SocketAddr,
) -> Result<LimitedRoutes, Box<dyn Error + Send + Sync>> {
    let link = dial.dial(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(link)).await?;
    let request = http::Request::get(LIMITED_PATH)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    // The connection ends when that is over, and drops its sender.
    let answer = async move {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()).into());
        }
        Ok(Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes())
    };
    let (answer, _) = tokio::join!(answer, connection);
    let bytes = answer.map_err(|error: Box<dyn Error + Send + Sync>| error)?;
    Ok(serde_json::from_slice(&bytes)?)
}
