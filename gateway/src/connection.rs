//! One client: reads where it wants to go, connects there, and hands both over to the copying.
//!
//! Two tasks one after the other, so that what the first one needs (the parser, the `ClientHello`, timers) is no longer
//! there while the second one, which may be idle for hours, holds the connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nagaya_relay::{Relay, scratch, sockets};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::Settings;
use crate::gateway::OpenGuard;
use crate::head::{Head, read_head};
use crate::meter::Place;
use crate::metrics::Metrics;
use crate::pending::{Pending, PendingPlace};
use crate::refusal::Refusal;
use crate::routes::{Route, Table};

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
    let Head { name, forwarded, bytes } = read_head(client, peer, settings).await?;
    let route = tables.borrow().find(&name).cloned();
    let route = route.ok_or_else(|| {
        tracing::debug!(client = %peer, name, forwarded, "no route has that name");
        Refusal::UnknownName
    })?;
    let place = route.meter.admit(route.limits, Instant::now()).inspect_err(|refusal| {
        metrics.limited(&route.tenant, *refusal);
    })?;
    // From now on it is counted by its route, and no longer among those that have said nothing.
    *pending = None;
    let started = Instant::now();
    let backend = timeout(settings.connect_timeout, connect(&route, &bytes, settings))
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        .map_err(|error| unreachable(&route, &error))?;
    metrics.opened(started.elapsed(), forwarded);
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
