//! The port: accepts, and spreads connections over threads.
//!
//! Each thread has a runtime of its own: what belongs to a connection never leaves its thread, and no byte waits for
//! another one to wake up. A new connection goes to the thread that has the fewest.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nagaya_relay::sockets;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::connection::{Context, serve};
use crate::metrics::Metrics;
use crate::pending::Pending;
use crate::refusal::Refusal;
use crate::routes::Table;

/// Files that are no clients' connections: the watch, the admin port, pipes.
const OTHER_FILES: u64 = 256;
/// After a failure to accept: others have to end first, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// The gateway at work; its threads and all connections end with it.
pub struct Gateway {
    address: SocketAddr,
    context: Arc<Context>,
    closed: CancellationToken,
}

struct Worker {
    new: mpsc::UnboundedSender<(StdStream, SocketAddr, OpenGuard)>,
    load: Arc<AtomicUsize>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct OpenGuard {
    metrics: Arc<Metrics>,
    load: Arc<AtomicUsize>,
}

impl Gateway {
    /// Takes the port and begins.
    ///
    /// # Errors
    /// The port cannot be had, or no threads.
    pub fn start(
        settings: Settings,
        tables: watch::Receiver<Arc<Table>>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let listener = sockets::listen(settings.listen)?;
        let address = listener.local_addr()?;
        let threads = settings.workers.map_or_else(thread::available_parallelism, Ok)?;
        let pending = Pending::new(settings.pending_limit.get());
        let context = Arc::new(Context { settings, tables, pending, metrics });
        let workers = (0..threads.get())
            .map(|number| Worker::start(number, &context))
            .collect::<io::Result<Vec<Worker>>>()?;
        let closed = CancellationToken::new();
        let most = most_connections()?;
        tokio::spawn(accept(listener, workers, Arc::clone(&context), closed.clone(), most));
        Ok(Self { address, context, closed })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> i64 {
        self.context.metrics.connections.get()
    }

    /// Those that have not said what they want.
    #[must_use]
    pub fn pending(&self) -> Arc<Pending> {
        Arc::clone(&self.context.pending)
    }

    /// Gives the port back. Connections go on.
    pub fn close(&self) {
        self.closed.cancel();
    }
}

/// Accepts until the port is given back; keeps the threads for as long as there is a gateway.
async fn accept(
    listener: TcpListener,
    workers: Vec<Worker>,
    context: Arc<Context>,
    closed: CancellationToken,
    most: i64,
) {
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            // An error: it has ended already.
            Ok((stream, peer)) => drop(
                stream.into_std().map(|stream| dispatch(stream, peer, &workers, &context, most)),
            ),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    if let Ok(listener) = listener.into_std() {
        // Who was told that he is connected is: the kernel would reset him with the port.
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                dispatch(stream, peer, &workers, &context, most);
            }
        }
    }
    std::future::pending::<()>().await;
}

fn dispatch(stream: StdStream, peer: SocketAddr, workers: &[Worker], context: &Context, most: i64) {
    if context.metrics.connections.get() >= most {
        context.metrics.refused(Refusal::ProcessFull);
        return;
    }
    let alive = workers.iter().filter(|worker| !worker.new.is_closed());
    let idlest = alive.min_by_key(|worker| worker.load.load(Ordering::Relaxed));
    let Some(Worker { new, load }) = idlest else {
        tracing::error!("no thread is left: this process can only be ended");
        return;
    };
    let open = OpenGuard::new(&context.metrics, load);
    // An error: the thread has ended this moment, and its connections with it.
    let _ = new.send((stream, peer, open));
}

/// How many clients there may be: each has a file here and one towards its API server.
fn most_connections() -> io::Result<i64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, wanted)?;
    let files = limit.maximum.unwrap_or(u64::MAX);
    Ok(i64::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(i64::MAX))
}

impl Worker {
    fn start(number: usize, context: &Arc<Context>) -> io::Result<Self> {
        let (new, incoming) = mpsc::unbounded_channel();
        let context = Arc::clone(context);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(work(incoming, context)))?;
        Ok(Self { new, load: Arc::default() })
    }
}

async fn work(
    mut incoming: mpsc::UnboundedReceiver<(StdStream, SocketAddr, OpenGuard)>,
    context: Arc<Context>,
) {
    while let Some((stream, peer, open)) = incoming.recv().await {
        let (place, ended_another) = context.pending.enter();
        if ended_another {
            context.metrics.refused(Refusal::TooManyPending);
        }
        // An error: the kernel has no room for it.
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let number = place.number();
        let task = tokio::spawn(serve(stream, peer, Arc::clone(&context), place, open));
        context.pending.hold(number, task.abort_handle());
    }
}

impl OpenGuard {
    fn new(metrics: &Arc<Metrics>, load: &Arc<AtomicUsize>) -> Self {
        metrics.connections.inc();
        load.fetch_add(1, Ordering::Relaxed);
        Self { metrics: Arc::clone(metrics), load: Arc::clone(load) }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.metrics.connections.dec();
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}
