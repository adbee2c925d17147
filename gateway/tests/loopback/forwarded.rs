//! Who comes through a forwarder on a tenant's node: the name in its header leads, and not that in the `ClientHello`.

use std::net::SocketAddr;
use std::time::Duration;

use ppp::v2::{Addresses, Builder, Command, Protocol, Type, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::stage::{Stage, ask, read_all, serve};

const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

fn header(command: Command, names: &[&str]) -> Vec<u8> {
    let addresses: (SocketAddr, SocketAddr) =
        ("192.0.2.7:4711".parse().unwrap(), "240.0.0.1:443".parse().unwrap());
    let addresses = Addresses::from(addresses);
    let mut builder = Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses);
    for name in names {
        builder = builder.write_tlv(Type::Authority, name.as_bytes()).unwrap();
    }
    builder.build().unwrap()
}

/// As a forwarder sends it.
fn forwarded(name: &str) -> Vec<u8> {
    header(Command::Proxy, &[name])
}

async fn saying(stage: &Stage, bytes: &[u8]) -> TcpStream {
    let mut stream = stage.connect().await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All that a client is told that says that.
async fn told(stage: &Stage, bytes: &[u8]) -> Vec<u8> {
    read_all(&mut saying(stage, bytes).await).await
}

async fn two_tenants(flags: &[&str]) -> Stage {
    let mut stage = Stage::new(flags);
    let (a, b) = (stage.pki.server("a").await, stage.pki.server("b").await);
    stage.route("a", &["a.example.com"], a);
    stage.route("b", &["b.example.com"], b);
    stage
}

#[tokio::test]
async fn the_name_in_the_header_leads_whatever_tls_asks_for() {
    let stage = two_tenants(&[]).await;
    for (tenant, expected) in [("A.example.com", "a"), ("b.example.com", "b")] {
        // The same for every tenant; a third one's name; and, in the test's certificate, none of the routes'.
        for asked in ["localhost", "b.example.com", "nobody.example.com"] {
            let stream = saying(&stage, &forwarded(tenant)).await;
            let mut client = stage.pki.handshake(stream, asked).await.unwrap();
            assert_eq!(ask(&mut client, "1").await, format!("hello from {expected}: 1\n"));
        }
    }
    assert_eq!(stage.metric("nagaya_gateway_forwarded_total"), 6);
    assert_eq!(stage.metric("nagaya_gateway_opened_total"), 6);
}

/// A client that has the address of a Service alone sends none.
#[tokio::test]
async fn a_hello_without_a_name_is_led_and_arrives_without_the_header_in_whatever_pieces() {
    let mut stage = Stage::new(&[]);
    let (tell, mut arrived) = mpsc::unbounded_channel();
    let backend = serve(move |mut stream| {
        let tell = tell.clone();
        async move { tell.send(read_all(&mut stream).await).unwrap() }
    })
    .await;
    stage.route("a", &["a.example.com"], backend);
    let hello = stage.pki.hello("127.0.0.1");
    let all = [forwarded("a.example.com"), hello.clone()].concat();
    for length in [1, 7, all.len()] {
        let mut client = stage.connect().await;
        client.set_nodelay(true).unwrap();
        for piece in all.chunks(length) {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
        assert_eq!(arrived.recv().await.unwrap(), hello, "{length}");
    }
}

#[tokio::test]
async fn behind_a_load_balancer_its_header_comes_first_and_then_the_forwarders() {
    let stage = two_tenants(&["--proxy-protocol"]).await;
    // What a load balancer took for the name is not what counts.
    let balancer = header(Command::Proxy, &["b.example.com"]);
    for length in [1, 1000] {
        let both = [balancer.clone(), forwarded("a.example.com")].concat();
        let mut stream = stage.connect().await;
        stream.set_nodelay(true).unwrap();
        for piece in both.chunks(length) {
            stream.write_all(piece).await.unwrap();
        }
        let mut client = stage.pki.handshake(stream, "localhost").await.unwrap();
        assert_eq!(ask(&mut client, "1").await, "hello from a: 1\n");
    }
    // A forwarder's alone is taken for the load balancer's, whose word on names does not count.
    let stream = saying(&stage, &forwarded("a.example.com")).await;
    assert!(stage.pki.handshake(stream, "localhost").await.is_err());
    assert_eq!(stage.refused("UnknownName"), 1);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_so_once_tls_is_spoken() {
    let stage = two_tenants(&[]).await;
    let all = [forwarded("c.example.com"), stage.pki.hello("a.example.com")].concat();
    assert_eq!(told(&stage, &all).await, UNRECOGNIZED_NAME);
    assert_eq!(stage.refused("UnknownName"), 1);
}

#[tokio::test]
async fn what_follows_the_header_has_to_be_tls_and_one_header_is_enough() {
    let stage = two_tenants(&[]).await;
    let header = forwarded("a.example.com");
    assert!(told(&stage, &[&header[..], b"SSH-2.0-OpenSSH_9.2\r\n"].concat()).await.is_empty());
    assert!(told(&stage, &[&header[..], &header].concat()).await.is_empty());
    assert_eq!(stage.refused("NotTls"), 2);
    let answer = told(&stage, &[&header[..], b"GET / HTTP/1.1\r\n"].concat()).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(stage.refused("PlainHttp"), 1);
}

#[tokio::test]
async fn a_header_that_is_none_or_names_nobody_is_refused_without_a_word() {
    let stage = two_tenants(&[]).await;
    for garbage in [&b"\r\n\r\n\0\r\nQUIX"[..], b"\r\nGET / HTTP/1.1\r\n"] {
        assert!(told(&stage, garbage).await.is_empty());
    }
    assert_eq!(stage.refused("InvalidForwarderHeader"), 2);
    let hello = stage.pki.hello("a.example.com");
    let two: &[&str] = &["a.example.com", "b.example.com"];
    // The first is what a load balancer sends to a gateway that is not told of it.
    for (command, names) in
        [(Command::Proxy, &[][..]), (Command::Local, &["a.example.com"]), (Command::Proxy, two)]
    {
        let all = [header(command, names), hello.clone()].concat();
        assert!(told(&stage, &all).await.is_empty());
    }
    assert_eq!(stage.refused("NoAuthority"), 3);
}

#[tokio::test]
async fn the_deadline_is_the_same_with_a_header() {
    let stage = two_tenants(&[]).await;
    let slow = two_tenants(&["--hello-timeout=0.3"]).await;
    let header = forwarded("a.example.com");
    for bytes in [&header[..10], &header[..]] {
        assert!(told(&slow, bytes).await.is_empty());
    }
    assert_eq!(slow.refused("HelloTooLate"), 2);
    // With the usual one it waits.
    let mut patient = saying(&stage, &header[..10]).await;
    let wait = tokio::time::timeout(Duration::from_millis(600), patient.read_u8()).await;
    assert!(wait.is_err());
}
