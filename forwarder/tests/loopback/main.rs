//! The forwarder on loopback, between real TLS clients and the real gateway with servers behind it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "../../../gateway/tests/loopback/stage.rs"]
#[allow(dead_code, reason = "made for the gateway")]
mod stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use nagaya_forwarder::config::Settings;
use nagaya_forwarder::forwarder::{Forwarder, listen};
use nagaya_forwarder::gateways::Gateways;
use stage::{PATIENCE, Stage, ask, read_all, serve, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct Running {
    forwarder: Forwarder,
    gateways: Arc<Gateways>,
    address: SocketAddr,
}

/// What runs on a node of the tenant that has that name at the gateway.
fn forwarder(authority: &str, gateways: &[SocketAddr]) -> Running {
    let list: Vec<String> = gateways.iter().map(ToString::to_string).collect();
    let settings = Settings::parse_from([
        "nagaya-forwarder",
        "--listen=127.0.0.1:0",
        "--health=127.0.0.1:0",
        "--connect-timeout=0.5",
        &format!("--authority={authority}"),
        &format!("--gateway={}", list.join(",")),
    ]);
    let listener = listen(settings.listen).unwrap();
    let address = listener.local_addr().unwrap();
    let gateways = Arc::new(Gateways::new(settings.gateway.clone(), settings.connect_timeout));
    let forwarder = Forwarder::start(listener, settings, Arc::clone(&gateways)).unwrap();
    Running { forwarder, gateways, address }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One question of a client that asks TLS for that name, or for an address, which is none.
    async fn ask(&self, stage: &Stage, name: &str) -> String {
        let mut client = stage.pki.handshake(self.connect().await, name).await.unwrap();
        ask(&mut client, "1").await
    }
}

async fn two_tenants() -> Stage {
    let mut stage = Stage::new(&[]);
    let (a, b) = (stage.pki.server("a").await, stage.pki.server("b").await);
    stage.route("a", &["a.example.com"], a);
    stage.route("b", &["b.example.com"], b);
    stage
}

#[tokio::test]
async fn pods_get_to_their_own_tenant_with_the_same_name_for_all_and_without_one() {
    let stage = two_tenants().await;
    let a = forwarder("a.example.com", &[stage.address()]);
    let b = forwarder("b.example.com", &[stage.address()]);
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(a.ask(&stage, name).await, "hello from a: 1\n");
        assert_eq!(b.ask(&stage, name).await, "hello from b: 1\n");
        // Without the forwarder they are refused: what it is there for.
        assert!(stage.client(name).await.is_err());
    }
    assert_eq!(stage.metric("nagaya_gateway_forwarded_total"), 4);
    until(|| a.forwarder.connections() == 0).await;
}

#[tokio::test]
async fn large_amounts_and_the_end_of_one_side_come_through() {
    let mut stage = Stage::new(&[]);
    let backend = serve(|mut stream| async move {
        let length = read_all(&mut stream).await.len();
        stream.write_all(length.to_string().as_bytes()).await.unwrap();
    })
    .await;
    stage.route("a", &["a.example.com"], backend);
    let a = forwarder("a.example.com", &[stage.address()]);
    let mut all = stage.pki.hello("127.0.0.1");
    all.resize(3_000_000, 7);
    let mut client = a.connect().await;
    client.write_all(&all).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"3000000");
}

#[tokio::test]
async fn a_refusal_of_the_gateway_is_what_the_client_sees() {
    let stage = two_tenants().await;
    let c = forwarder("c.example.com", &[stage.address()]);
    let error = stage.pki.handshake(c.connect().await, "localhost").await.unwrap_err().to_string();
    assert!(error.contains("UnrecognisedName"), "{error}");
}

#[tokio::test]
async fn a_gateway_that_is_gone_is_passed_over_and_none_ends_the_client_at_once() {
    let stage = two_tenants().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let a = forwarder("a.example.com", &[gone, stage.address()]);
    assert_eq!(a.ask(&stage, "localhost").await, "hello from a: 1\n");
    let nowhere = forwarder("a.example.com", &[gone]);
    let mut client = nowhere.connect().await;
    let ended = tokio::time::timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap();
    assert_eq!(ended.unwrap_or(0), 0);
    assert!(!nowhere.gateways.are_reached());
    // Somebody looks whether it comes back.
    let _back = TcpListener::bind(gone).await.unwrap();
    let gateways = Arc::clone(&nowhere.gateways);
    let watch = tokio::spawn(async move { gateways.watch().await });
    until(|| nowhere.gateways.are_reached()).await;
    watch.abort();
}

#[tokio::test]
async fn once_closed_it_takes_nobody_and_lets_those_go_on_that_are_there() {
    let stage = two_tenants().await;
    let a = forwarder("a.example.com", &[stage.address()]);
    let mut client = stage.pki.handshake(a.connect().await, "localhost").await.unwrap();
    // A successor may take the port while this one has it.
    let successor = listen(a.address).unwrap();
    a.forwarder.close();
    drop(successor);
    let since = std::time::Instant::now();
    while TcpStream::connect(a.address).await.is_ok() {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(&mut client, "2").await, "hello from a: 2\n");
    // The last one that was taken in the loop has ended, too.
    until(|| a.forwarder.connections() == 1).await;
    drop(client);
    until(|| a.forwarder.connections() == 0).await;
}
