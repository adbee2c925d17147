//! What is set on sockets: nothing is delayed, and a peer that is gone without a word is noticed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the kernel has accepted and we have not: more than any burst; `somaxconn` caps it.
const BACKLOG: u32 = 4096;
/// Keepalive asks so often before it gives up.
const PROBES: u32 = 3;

/// A port for clients. `[::]` serves IPv4 too.
///
/// # Errors
/// It cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// `TCP_NODELAY`: TLS has its own records, and whoever waits for one waits for its last byte. Keepalive finds an idle peer
/// that is gone within `dead_peer`. One that owes acknowledgements is found by the kernel (`tcp_retries2` in tcp(7), about
/// 15 minutes): `TCP_USER_TIMEOUT` would be sooner, but ends also who is there and does not read, such as
/// `kubectl logs --follow` behind a pager.
///
/// # Errors
/// The kernel's. A connection that has ended already is one.
pub fn prepare(stream: &TcpStream, dead_peer: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let half = (dead_peer / 2).max(Duration::from_secs(1));
    let interval = (half / PROBES).max(Duration::from_secs(1));
    let keepalive =
        TcpKeepalive::new().with_time(half).with_interval(interval).with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)
}
