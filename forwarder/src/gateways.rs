//! The addresses of the gateway, and which of them is asked.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// While none accepts, and nobody asks for a connection, it is looked so often whether one does.
const PAUSE: Duration = Duration::from_secs(2);

/// All of them. Who accepted last is asked first.
#[derive(Debug)]
pub struct Gateways {
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    current: AtomicUsize,
    reached: AtomicBool,
}

impl Gateways {
    /// In the order in which they are tried, each for so long.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, timeout: Duration) -> Self {
        Self { addresses, timeout, current: AtomicUsize::new(0), reached: AtomicBool::new(false) }
    }

    /// Whether one accepted the last connection that was wanted; at first: not.
    #[must_use]
    pub fn are_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// A connection to the first that accepts one.
    ///
    /// # Errors
    /// None does: the last one's reason.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.current.load(Ordering::Relaxed);
        let mut last = io::Error::from(ErrorKind::NotFound);
        for number in first..first + self.addresses.len() {
            let number = number % self.addresses.len();
            match self.connect_to(self.addresses[number]).await {
                Ok(stream) => {
                    self.current.store(number, Ordering::Relaxed);
                    self.set_reached(true, "");
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        self.set_reached(false, &last.to_string());
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let connecting = timeout(self.timeout, TcpStream::connect(address)).await;
        connecting.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    /// Says so when it changes: a connection for each failure would be a line for each pod's retry.
    fn set_reached(&self, reached: bool, why: &str) {
        let was = self.reached.swap(reached, Ordering::Relaxed);
        match (was, reached) {
            (true, false) => tracing::warn!(why, "the gateway cannot be reached any more"),
            (false, true) => tracing::info!("the gateway is reached"),
            _ => {}
        }
    }

    /// Looks at the start, and while none accepts, whether one does. Never ends.
    pub async fn watch(&self) {
        loop {
            if !self.are_reached() {
                drop(self.connect().await);
            }
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn port() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn who_accepted_last_is_asked_first_until_he_does_not() {
        let (first, second) = (port().await, port().await);
        let gateways = Gateways::new(vec![first.1, second.1], Duration::from_secs(1));
        assert!(!gateways.are_reached());
        assert_eq!(gateways.connect().await.unwrap().peer_addr().unwrap(), first.1);
        drop(first.0);
        assert_eq!(gateways.connect().await.unwrap().peer_addr().unwrap(), second.1);
        let again = TcpListener::bind(first.1).await.unwrap();
        assert_eq!(gateways.connect().await.unwrap().peer_addr().unwrap(), second.1);
        drop(second.0);
        assert_eq!(gateways.connect().await.unwrap().peer_addr().unwrap(), first.1);
        drop(again);
        assert!(gateways.are_reached());
        let refused = gateways.connect().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(!gateways.are_reached());
    }
}
