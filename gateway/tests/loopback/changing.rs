//! Changes of routes while connections are open, limits, and who comes through a load balancer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nagaya_api::LimitedRoute;
use ppp::v2::{Addresses, Builder, Command, Protocol, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stage::{PATIENCE, Stage, ask, read_all, until};

#[tokio::test]
async fn a_change_of_routes_drops_no_connection_and_counts_from_the_next_one_on() {
    let mut stage = Stage::new(&[]);
    let (a, b) = (stage.pki.server("a").await, stage.pki.server("b").await);
    stage.route("a", &["x.example.com"], a);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(stage.client("x.example.com").await.unwrap());
    }
    for round in 0..50 {
        stage.route("a", &["x.example.com"], if round % 2 == 0 { b } else { a });
        let mut new = stage.client("x.example.com").await.unwrap();
        let expected = if round % 2 == 0 { "hello from b: n\n" } else { "hello from a: n\n" };
        assert_eq!(ask(&mut new, "n").await, expected);
        for client in &mut clients {
            assert_eq!(ask(client, "o").await, "hello from a: o\n");
        }
    }
    stage.remove("a");
    assert!(stage.client("x.example.com").await.is_err());
    for client in &mut clients {
        assert_eq!(ask(client, "o").await, "hello from a: o\n");
    }
}

#[tokio::test]
async fn what_is_cut_ends_and_is_no_longer_counted() {
    let mut stage = Stage::new(&[]);
    let backend = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], backend);
    let mut client = stage.client("a.example.com").await.unwrap();
    let route = Arc::clone(stage.tables.borrow().find("a.example.com").unwrap());
    until(|| route.meter.open() == 1).await;
    assert_eq!(route.meter.cut(), 1);
    let ended = tokio::time::timeout(PATIENCE, client.read(&mut [0; 10])).await.unwrap();
    assert_eq!(ended.unwrap_or(0), 0);
    stage.until_open(0).await;
    assert_eq!(route.meter.open(), 0);
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_the_neighbour_does_not_notice() {
    let mut stage = Stage::new(&[]);
    let (a, b) = (stage.pki.server("a").await, stage.pki.server("b").await);
    stage.limited_route("a", &["a.example.com"], a, (Some(2), None));
    stage.route("b", &["b.example.com"], b);
    let first = stage.client("a.example.com").await.unwrap();
    let _second = stage.client("a.example.com").await.unwrap();
    let error = stage.client("a.example.com").await.unwrap_err().to_string();
    assert!(error.contains("InternalError"), "{error}");
    assert!(stage.client("b.example.com").await.is_ok());
    let line = "nagaya_gateway_limited_total{tenant=\"acme/a\",reason=\"TooManyConnections\"}";
    assert_eq!((stage.metric(line), stage.refused("TooManyConnections")), (1, 1));
    let limited = stage.tables.borrow().limited(Instant::now());
    let expected = "acme/a (plane/a): limited, because it has 2 of 2 connections; 1 refused";
    assert!(limited.starts_with(expected), "{limited}");
    let for_programs = stage.tables.borrow().limited_for_programs(Instant::now());
    let LimitedRoute { namespace, service, reason, most } = &for_programs[0];
    let said = (namespace.as_str(), service.as_str(), reason.as_str(), *most);
    assert_eq!(said, ("plane", "a", "TooManyConnections", 2));
    drop(first);
    let route = Arc::clone(stage.tables.borrow().find("a.example.com").unwrap());
    until(|| route.meter.open() == 1).await;
    assert!(stage.client("a.example.com").await.is_ok());
}

#[tokio::test]
async fn connections_that_come_too_fast_are_refused_until_time_has_passed() {
    let mut stage = Stage::new(&[]);
    let a = stage.pki.server("a").await;
    stage.limited_route("a", &["a.example.com"], a, (None, Some(1)));
    let started = Instant::now();
    let mut came = 0;
    while stage.client("a.example.com").await.is_ok() {
        came += 1;
    }
    let most = 6.0 + started.elapsed().as_secs_f64();
    assert!((5.0..=most).contains(&f64::from(came)), "{came}");
    assert_eq!(stage.refused("ConnectionsTooFast"), 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stage.client("a.example.com").await.unwrap();
}

fn proxy_header() -> Vec<u8> {
    let addresses: (std::net::SocketAddr, std::net::SocketAddr) =
        ("192.0.2.7:4711".parse().unwrap(), "198.51.100.1:443".parse().unwrap());
    let addresses = Addresses::from(addresses);
    Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Stream, addresses)
        .build()
        .unwrap()
}

#[tokio::test]
async fn with_the_proxy_protocol_a_connection_begins_with_its_header() {
    let mut stage = Stage::new(&["--proxy-protocol", "--proxy-protocol-timeout=0.3"]);
    let a = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], a);
    let mut stream = stage.connect().await;
    for byte in proxy_header() {
        stream.write_all(&[byte]).await.unwrap();
    }
    let mut client = stage.pki.handshake(stream, "a.example.com").await.unwrap();
    assert_eq!(ask(&mut client, "1").await, "hello from a: 1\n");
    // All in one piece.
    let mut stream = stage.connect().await;
    let all = [proxy_header(), stage.pki.hello("a.example.com")].concat();
    stream.write_all(&all).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 22, "a ServerHello");
    assert!(stage.client("a.example.com").await.is_err());
    assert_eq!(stage.refused("NoProxyHeader"), 1);
    let mut late = stage.connect().await;
    late.write_all(&proxy_header()[..10]).await.unwrap();
    assert!(read_all(&mut late).await.is_empty());
    assert_eq!(stage.refused("ProxyHeaderTooLate"), 1);
}
