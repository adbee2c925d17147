//! The gateway, as far as one tenant sees it: it leads to the Service with its label by the name that is asked for in TLS
//! (`gateway/`); and what the manager sees of it, whom it refuses.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nagaya_api::{LimitedRoute, LimitedRoutes, labels};
use rustls::server::Acceptor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

use super::Network;
use super::network::ROOM;
use super::tenant::PUBLIC;
use crate::memory_api::{GATEWAY_ADDRESS, MemoryApi};

const PORT: u16 = 443;
/// The operator's port of its pods.
pub const ADMIN: u16 = 8080;
/// A TLS record with the fatal alert `unrecognized_name`.
const UNKNOWN: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// The connections that it leads to the plane in `namespace`.
pub fn listen(
    network: &Network,
    planes: &MemoryApi,
    namespace: &str,
    tasks: &mut JoinSet<()>,
) -> UnboundedReceiver<DuplexStream> {
    let (led, arriving) = unbounded_channel();
    let (planes, namespace) = (planes.clone(), namespace.to_owned());
    let mut clients = network.listen(SocketAddr::from((GATEWAY_ADDRESS, PORT)));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Some(mut client) = clients.recv().await {
            let (led, planes, namespace) = (led.clone(), planes.clone(), namespace.clone());
            connections.spawn(async move {
                let Some((name, hello)) = read_hello(&mut client).await else { return };
                if !hosts(&planes, &namespace).contains(&name) {
                    let _ = client.write_all(&UNKNOWN).await;
                    return;
                }
                let (mut ours, theirs) = duplex(ROOM);
                if led.send(theirs).is_ok() && ours.write_all(&hello).await.is_ok() {
                    // A side that goes away is no news.
                    let _ = copy_bidirectional(&mut client, &mut ours).await;
                }
            });
        }
    });
    arriving
}

/// The name in a `ClientHello`, and all that came so far.
async fn read_hello(client: &mut DuplexStream) -> Option<(String, Vec<u8>)> {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let length = client.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        seen.extend_from_slice(&piece[..length]);
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut seen.as_slice()).ok()?;
        if let Some(accepted) = acceptor.accept().ok()? {
            return Some((accepted.client_hello().server_name()?.to_owned(), seen));
        }
    }
}

fn hosts(planes: &MemoryApi, namespace: &str) -> Vec<String> {
    let services = PUBLIC.iter().filter_map(|name| planes.get("Service", namespace, name));
    let led = services.filter(|service| is_led(service)).flat_map(|service| {
        let hosts = service["metadata"]["annotations"][labels::GATEWAY_HOSTS].as_str();
        let hosts = hosts.unwrap_or_default().split(',').map(str::to_owned);
        hosts.collect::<Vec<_>>()
    });
    led.collect()
}

/// Whether the gateway looks at a Service at all.
pub fn is_led(service: &Value) -> bool {
    service["metadata"]["labels"][labels::GATEWAY] == labels::GATEWAY_ENABLED
}

/// A pod of it that says whom it refuses, until it is dropped.
pub struct GatewayPod {
    /// What it says.
    pub limited: Arc<Mutex<Vec<LimitedRoute>>>,
    /// How often it was asked.
    pub asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl GatewayPod {
    /// It refuses nobody yet.
    pub fn start(network: &Network) -> Self {
        let (limited, asked) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicUsize>::default());
        let mut clients = network.listen(SocketAddr::from((GATEWAY_ADDRESS, ADMIN)));
        let (says, counts) = (Arc::clone(&limited), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Some(mut client) = clients.recv().await {
                let length = client.read(&mut [0; 4096]).await.unwrap_or(0);
                assert!(length > 0, "a question");
                counts.fetch_add(1, Ordering::Relaxed);
                let limited = says.lock().unwrap().clone();
                let answer = LimitedRoutes { gateway: "nagaya-gateway-0".to_owned(), limited };
                let body = serde_json::to_string(&answer).unwrap();
                let length = body.len();
                let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = client.write_all(text.as_bytes()).await;
            }
        });
        Self { limited, asked, task }
    }
}

impl Drop for GatewayPod {
    fn drop(&mut self) {
        self.task.abort();
    }
}
