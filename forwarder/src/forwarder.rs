//! The port, and what becomes of a connection: the gateway is connected to and told whose it is, and then bytes are
//! copied both ways, without a buffer while nothing comes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nagaya_relay::{Relay, sockets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::announcement::announce;
use crate::config::Settings;
use crate::gateways::Gateways;

/// Connections that the kernel has accepted and we have not.
const BACKLOG: u32 = 1024;
/// Files that are no connections.
const OTHER_FILES: u64 = 64;
/// After a failure to accept: others have to end first, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// The forwarder at work.
pub struct Forwarder {
    context: Arc<Context>,
    closed: CancellationToken,
}

struct Context {
    settings: Settings,
    gateways: Arc<Gateways>,
    open: AtomicUsize,
    most: usize,
}

/// A connection that is counted until this is dropped.
struct OpenGuard(Arc<Context>);

/// A port that a successor may take while this one still has it: an update leaves no gap.
///
/// # Errors
/// It cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Forwarder {
    /// Begins to accept.
    ///
    /// # Errors
    /// The limit of open files cannot be read or set.
    pub fn start(
        listener: TcpListener,
        settings: Settings,
        gateways: Arc<Gateways>,
    ) -> io::Result<Self> {
        let (open, most) = (AtomicUsize::new(0), most_connections()?);
        let context = Arc::new(Context { settings, gateways, open, most });
        let closed = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&context), closed.clone()));
        Ok(Self { context, closed })
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.context.open.load(Ordering::Relaxed)
    }

    /// Gives the port back. Connections go on.
    pub fn close(&self) {
        self.closed.cancel();
    }
}

async fn accept(listener: TcpListener, context: Arc<Context>, closed: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, peer)) => take(client, peer, &context),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    if let Ok(listener) = listener.into_std() {
        // Who was told that he is connected is: the kernel would reset him with the port.
        while let Ok((client, peer)) = listener.accept() {
            let client = client.set_nonblocking(true).and_then(|()| TcpStream::from_std(client));
            if let Ok(client) = client {
                take(client, peer, &context);
            }
        }
    }
}

fn take(client: TcpStream, peer: SocketAddr, context: &Arc<Context>) {
    if context.open.load(Ordering::Relaxed) >= context.most {
        tracing::warn!(most = context.most, "has as many connections as it may: refuses one");
        return;
    }
    context.open.fetch_add(1, Ordering::Relaxed);
    let open = OpenGuard(Arc::clone(context));
    tokio::spawn(serve(client, peer, open));
}

/// Up to where the copying begins, which is a task of its own, so that what this one needs is no longer there.
async fn serve(client: TcpStream, peer: SocketAddr, open: OpenGuard) {
    let context = &open.0;
    match lead(&client, peer, context).await {
        Ok(gateway) => {
            let relay = Relay::new(client, gateway, context.settings.half_close_timeout);
            drop(tokio::spawn(async move {
                relay.await;
                drop(open);
            }));
        }
        // Its end is all that the client would understand; client-go asks again.
        Err(error) => tracing::debug!(client = %peer, %error, "cannot be led"),
    }
}

async fn lead(client: &TcpStream, peer: SocketAddr, context: &Context) -> io::Result<TcpStream> {
    let Context { settings, gateways, .. } = context;
    sockets::prepare(client, settings.dead_peer_timeout)?;
    let header = announce(&settings.authority, peer, client.local_addr()?)?;
    let mut gateway = gateways.connect().await?;
    sockets::prepare(&gateway, settings.dead_peer_timeout)?;
    gateway.write_all(&header).await?;
    Ok(gateway)
}

/// Each has a file here and one towards the gateway.
fn most_connections() -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let files = limit.maximum.unwrap_or(u64::MAX);
    Ok(usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX))
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
