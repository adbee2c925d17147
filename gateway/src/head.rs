//! What a connection says before it is led anywhere: perhaps the header of a load balancer, perhaps that of a forwarder,
//! and a `ClientHello`.
//!
//! Which is which is told by the first byte: a TLS record begins with 22, a PROXY protocol header with CR, a method of HTTP
//! with a letter.

use std::io::ErrorKind;
use std::net::SocketAddr;

use nagaya_relay::scratch;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::client_hello::{self, HelloReader};
use crate::config::Settings;
use crate::proxy_protocol::{self, ProxyHeader};
use crate::refusal::Refusal;

/// What a client has said.
pub struct Head {
    /// The route that it asks for.
    pub name: String,
    /// Whether a forwarder says so, and not the `ClientHello`.
    pub forwarded: bool,
    /// All that came so far and is the API server's.
    pub bytes: Vec<u8>,
}

/// Reads it up to the end of the `ClientHello`. `peer` becomes who a load balancer says that it is, if one is wanted.
///
/// # Errors
/// A [`Refusal`].
pub async fn read_head(
    client: &TcpStream,
    peer: &mut SocketAddr,
    settings: &Settings,
) -> Result<Head, Refusal> {
    let deadline = Instant::now() + settings.hello_timeout;
    let mut seen = Vec::new();
    if settings.proxy_protocol {
        let header = read_header(client, &mut seen, settings.hello_limit);
        let header = timeout(settings.proxy_protocol_timeout, header).await;
        let header = header.unwrap_or(Err(Refusal::ProxyHeaderTooLate))?;
        *peer = header.client.unwrap_or(*peer);
    }
    let rest = read_rest(client, seen, settings.hello_limit);
    timeout_at(deadline, rest).await.unwrap_or(Err(Refusal::HelloTooLate))
}

/// From where strangers may say what they like: a route by name is as good as the name in a `ClientHello`, which nobody
/// has proven either. Addresses in a forwarder's header are not looked at.
async fn read_rest(client: &TcpStream, mut seen: Vec<u8>, most: usize) -> Result<Head, Refusal> {
    if seen.is_empty() {
        read(client, most, |bytes| seen.extend_from_slice(bytes)).await?;
    }
    let mut authority = None;
    if proxy_protocol::may_begin(&seen) {
        let header =
            read_header(client, &mut seen, most).await.map_err(|refusal| match refusal {
                Refusal::NoProxyHeader => Refusal::InvalidForwarderHeader,
                other => other,
            })?;
        authority = Some(header.authority.ok_or(Refusal::NoAuthority)?);
    }
    let mut hello = HelloReader::new(most);
    let mut progress = hello.feed(&seen)?;
    let named = loop {
        if let client_hello::Progress::Complete(named) = progress {
            break named;
        }
        progress = read(client, most, |bytes| hello.feed(bytes)).await??;
    };
    let forwarded = authority.is_some();
    let name = authority.or(named).ok_or(Refusal::NoName)?;
    Ok(Head { name, forwarded, bytes: hello.into_bytes() })
}

/// Takes a header off the beginning of what was seen, and leaves what came after it.
async fn read_header(
    client: &TcpStream,
    seen: &mut Vec<u8>,
    most: usize,
) -> Result<ProxyHeader, Refusal> {
    loop {
        if let proxy_protocol::Progress::Complete { length, header } = proxy_protocol::read(seen)? {
            drop(seen.drain(..length));
            return Ok(header);
        }
        read(client, most, |bytes| seen.extend_from_slice(bytes)).await?;
    }
}

/// Waits for some bytes, and has them looked at.
async fn read<T>(
    client: &TcpStream,
    most: usize,
    mut look: impl FnMut(&[u8]) -> T,
) -> Result<T, Refusal> {
    loop {
        client.readable().await.map_err(|_| Refusal::EndedEarly)?;
        let seen = scratch::with(|buffer| {
            let most = most.clamp(1, buffer.len());
            match client.try_read(&mut buffer[..most]) {
                Ok(0) => Err(Refusal::EndedEarly),
                Ok(length) => Ok(Some(look(&buffer[..length]))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(_) => Err(Refusal::EndedEarly),
            }
        })?;
        if let Some(seen) = seen {
            return Ok(seen);
        }
    }
}
