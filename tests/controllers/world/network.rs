//! The network between the manager and the tenants' API servers. Its connections are pipes in memory: no byte is ever
//! on its way through the kernel, where virtual time would overtake it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use nagaya::tenant::{Dial, Link};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a pipe holds before its writer has to wait.
pub const ROOM: usize = 64 << 10;

/// Clones are the same network.
#[derive(Clone, Default)]
pub struct Network {
    listening: Arc<Mutex<HashMap<SocketAddr, UnboundedSender<DuplexStream>>>>,
}

impl Network {
    /// The connections that are made to `address`, until the receiver is dropped.
    pub fn listen(&self, address: SocketAddr) -> UnboundedReceiver<DuplexStream> {
        let (sender, receiver) = unbounded_channel();
        self.listening.lock().unwrap().insert(address, sender);
        receiver
    }

    fn connect(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let (ours, theirs) = duplex(ROOM);
        let listening = self.listening.lock().unwrap();
        let listener = listening.get(&address).ok_or_else(refused)?;
        listener.send(theirs).map_err(|_| refused())?;
        Ok(ours)
    }
}

impl Dial for Network {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Link>> {
        let link = self.connect(address).map(Link::new);
        Box::pin(async { link })
    }
}
