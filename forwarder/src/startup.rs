//! Wires the forwarder together and runs it until it is asked to stop, and all has ended.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::config::Settings;
use crate::forwarder::{Forwarder, listen};
use crate::gateways::Gateways;
use crate::health::Health;
use crate::virtual_address;

/// Between two looks whether the machine still has its address.
const ADDRESS_PAUSE: Duration = Duration::from_secs(5);
/// Between two looks whether connections are left.
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

/// Why the forwarder could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not give the machine the address.
    #[error(
        "--listen: cannot give this machine the address {address}, for which NET_ADMIN is needed: {source}"
    )]
    Address {
        /// The address.
        address: IpAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A port cannot be had.
    #[error("{flag}: cannot listen on {address}: {source}")]
    Listen {
        /// Which flag says so.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The operating system refused a runtime or signal handlers.
    #[error("cannot start: {0}")]
    OperatingSystem(#[from] io::Error),
}

/// Works until SIGTERM or SIGINT, and then until its connections have ended.
///
/// # Errors
/// [`Error`].
pub fn run(settings: Settings) -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_max_level(settings.log_level)
        .with_writer(io::stderr)
        .json()
        .flatten_event(true)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work(settings))
}

async fn work(settings: Settings) -> Result<(), Error> {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, authority = settings.authority, "nagaya-forwarder starts");
    let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let address = settings.listen.ip();
    virtual_address::ensure(address).map_err(|source| Error::Address { address, source })?;
    let cannot_listen = |flag, address| move |source| Error::Listen { flag, address, source };
    let port = listen(settings.listen).map_err(cannot_listen("--listen", settings.listen))?;
    let health_port =
        listen(settings.health).map_err(cannot_listen("--health", settings.health))?;
    let gateways = Arc::new(Gateways::new(settings.gateway.clone(), settings.connect_timeout));
    let forwarder = Forwarder::start(port, settings.clone(), Arc::clone(&gateways))?;
    let health = Health::new(Arc::clone(&gateways));
    tokio::spawn(Arc::clone(&health).serve(health_port));
    tokio::spawn(keep_address(address));
    tokio::spawn(async move { gateways.watch().await });
    either(&mut signals).await;
    health.drain();
    tracing::info!(connections = forwarder.connections(), "drains");
    // At once: the successor has the port already, or there is none.
    forwarder.close();
    tokio::select! {
        () = none_left(&forwarder) => {}
        () = sleep(settings.drain_grace) => {}
        () = either(&mut signals) => {}
    }
    tracing::info!(connections = forwarder.connections(), "nagaya-forwarder stops");
    Ok(())
}

/// Somebody may flush the interface. The port stays, and works again with the address.
async fn keep_address(address: IpAddr) {
    loop {
        sleep(ADDRESS_PAUSE).await;
        match virtual_address::ensure(address) {
            Ok(false) => {}
            Ok(true) => tracing::warn!(%address, "had been taken from this machine: it is back"),
            Err(error) => tracing::error!(%address, %error, "cannot be given to this machine"),
        }
    }
}

async fn either([terminate, interrupt]: &mut [Signal; 2]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn none_left(forwarder: &Forwarder) {
    while forwarder.connections() > 0 {
        sleep(DRAIN_PAUSE).await;
    }
}
