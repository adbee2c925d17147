//! The gateway, as far as one tenant sees it: it leads to the Service with its label by the name that is asked for in TLS
//! (`gateway/`).

use std::net::SocketAddr;

use nagaya_api::labels;
use rustls::server::Acceptor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::Network;
use super::network::ROOM;
use super::tenant::PUBLIC;
use crate::memory_api::{GATEWAY_ADDRESS, MemoryApi};

const PORT: u16 = 443;
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
