//! One client: reads where it wants to go, connects there, and hands both over to the copying.
//!
//! Two tasks one after the other, so that what the first one needs (the parser, the `ClientHello`, timers) is no longer
//! there while the second one, which may be idle for hours, holds the connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};

use crate::client_hello::{self, HelloReader};
use crate::config::Settings;
use crate::gateway::OpenGuard;
use crate::meter::Place;
use crate::metrics::Metrics;
use crate::pending::{Pending, PendingPlace};
use crate::proxy_protocol;
use crate::refusal::Refusal;
use crate::relay::{Relay, scratch};
use crate::routes::{Route, Table};
use crate::sockets;

/// How long a refused client is listened to, so that its kernel shows it our answer: bytes that nobody reads would make
/// ours answer with a reset, which takes the answer away.
const LINGER: Duration = Duration::from_secs(1);
/// And for how many bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// What all connections have in common.
pub struct Context {
    /// The flags.
    pub settings: Settings,
    /// The routes.
    pub tables: watch::Receiver<Arc<Table>>,
    /// Those that have not said what they want.
    pub pending: Arc<Pending>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What a client has said.
struct Head {
    name: String,
    /// All that came so far, for the API server.
    bytes: Vec<u8>,
}

/// Serves one client, up to where the copying begins.
pub async fn serve(
    client: TcpStream,
    mut peer: SocketAddr,
    context: Arc<Context>,
    place: PendingPlace,
    open: OpenGuard,
) {
    let mut place = Some(place);
    let led = lead(&client, &mut peer, &context, &mut place).await;
    let (route, admitted, backend) = match led {
        Ok(led) => led,
        Err(refusal) => {
            tracing::debug!(client = %peer, reason = refusal.reason(), "refused: {refusal}");
            context.metrics.refused(refusal);
            answer(client, refusal).await;
            return;
        }
    };
    tracing::debug!(client = %peer, service = %route.service, "led to {}", route.backend);
    copy(client, backend, admitted, &context, open);
}

/// The second task.
fn copy(client: TcpStream, backend: TcpStream, place: Place, context: &Context, open: OpenGuard) {
    let relay = Relay::new(client, backend, context.settings.half_close_timeout);
    let metrics = Arc::clone(&context.metrics);
    let place = Arc::new(place);
    let held = Arc::clone(&place);
    let task = tokio::spawn(async move {
        let end = relay.await;
        metrics.ended(end, 1);
        drop((held, open));
    });
    place.is_held_by(task.abort_handle());
}

async fn lead(
    client: &TcpStream,
    peer: &mut SocketAddr,
    context: &Context,
    pending: &mut Option<PendingPlace>,
) -> Result<(Arc<Route>, Place, TcpStream), Refusal> {
    let Context { settings, tables, metrics, .. } = context;
    sockets::prepare(client, settings.dead_peer_timeout).map_err(|_| Refusal::EndedEarly)?;
    let head = read_head(client, peer, settings).await?;
    let route = tables.borrow().find(&head.name).cloned();
    let route = route.ok_or_else(|| {
        tracing::debug!(client = %peer, name = head.name, "no route has that name");
        Refusal::UnknownName
    })?;
    let place = route.meter.admit(route.limits, Instant::now()).inspect_err(|refusal| {
        metrics.limited(&route.tenant, *refusal);
    })?;
    // From now on it is counted by its route, and no longer among those that have said nothing.
    *pending = None;
    let started = Instant::now();
    let backend = timeout(settings.connect_timeout, connect(&route, &head.bytes, settings))
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        .map_err(|error| unreachable(&route, &error))?;
    metrics.opened(started.elapsed());
    Ok((route, place, backend))
}

async fn connect(route: &Route, head: &[u8], settings: &Settings) -> io::Result<TcpStream> {
    let mut backend = TcpStream::connect(route.backend).await?;
    sockets::prepare(&backend, settings.dead_peer_timeout)?;
    backend.write_all(head).await?;
    Ok(backend)
}

fn unreachable(route: &Route, error: &io::Error) -> Refusal {
    tracing::debug!(service = %route.service, %error, "{} cannot be reached", route.backend);
    match error.kind() {
        ErrorKind::ConnectionRefused => Refusal::BackendRefuses,
        ErrorKind::TimedOut => Refusal::BackendSilent,
        _ => Refusal::BackendUnreachable,
    }
}

/// Reads the PROXY protocol header, if there has to be one, and the `ClientHello`.
async fn read_head(
    client: &TcpStream,
    peer: &mut SocketAddr,
    settings: &Settings,
) -> Result<Head, Refusal> {
    let deadline = tokio::time::Instant::now() + settings.hello_timeout;
    let mut hello = HelloReader::new(settings.hello_limit);
    let mut progress = client_hello::Progress::More;
    if settings.proxy_protocol {
        let header = read_proxy_header(client, settings.hello_limit);
        let header = timeout(settings.proxy_protocol_timeout, header).await;
        let (address, rest) = header.unwrap_or(Err(Refusal::ProxyHeaderTooLate))?;
        *peer = address.unwrap_or(*peer);
        progress = hello.feed(&rest)?;
    }
    let rest = async {
        loop {
            if let client_hello::Progress::Complete(name) = progress {
                return Ok(name);
            }
            progress = read(client, settings.hello_limit, |bytes| hello.feed(bytes)).await?;
        }
    };
    let name = timeout_at(deadline, rest).await.unwrap_or(Err(Refusal::HelloTooLate))?;
    Ok(Head { name, bytes: hello.into_bytes() })
}

/// Whose connection it is, and what came after the header.
async fn read_proxy_header(
    client: &TcpStream,
    most: usize,
) -> Result<(Option<SocketAddr>, Vec<u8>), Refusal> {
    let mut seen = Vec::new();
    loop {
        let progress = read(client, most, |bytes| {
            seen.extend_from_slice(bytes);
            proxy_protocol::read(&seen)
        });
        if let proxy_protocol::Progress::Complete { length, client } = progress.await? {
            return Ok((client, seen.split_off(length)));
        }
    }
}

/// Waits for some bytes, and has them looked at.
async fn read<T>(
    client: &TcpStream,
    most: usize,
    mut look: impl FnMut(&[u8]) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    loop {
        client.readable().await.map_err(|_| Refusal::EndedEarly)?;
        let seen = scratch::with(|buffer| {
            let most = most.clamp(1, buffer.len());
            match client.try_read(&mut buffer[..most]) {
                Ok(0) => Err(Refusal::EndedEarly),
                Ok(length) => look(&buffer[..length]).map(Some),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(_) => Err(Refusal::EndedEarly),
            }
        })?;
        if let Some(seen) = seen {
            return Ok(seen);
        }
    }
}

/// Tells a client why not, and ends with FIN rather than a reset.
async fn answer(mut client: TcpStream, refusal: Refusal) {
    let words = async {
        client.write_all(refusal.reply()).await?;
        client.shutdown().await?;
        let mut left = LINGER_BYTES;
        while left > 0 {
            client.readable().await?;
            let read = scratch::with(|buffer| client.try_read(buffer));
            match read {
                Ok(0) => break,
                Ok(length) => left = left.saturating_sub(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // Whoever does not listen has chosen not to.
    let _: Result<io::Result<()>, _> = timeout(LINGER, words).await;
}
