//! Who is refused, what he is told, and that it is counted.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::stage::{Stage, read_all};

const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
const DECODE_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 50];
const INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// What a client is told that says that, and nothing after it.
async fn told(stage: &Stage, said: &[u8]) -> Vec<u8> {
    let mut client = stage.connect().await;
    client.write_all(said).await.unwrap();
    read_all(&mut client).await
}

#[tokio::test]
async fn an_unknown_name_and_none_are_told_so_by_an_alert() {
    let stage = Stage::new(&[]);
    let hello = stage.pki.hello("nobody.example.com");
    assert_eq!(told(&stage, &hello).await, UNRECOGNIZED_NAME);
    let without = stage.pki.hello("127.0.0.1");
    assert_eq!(told(&stage, &without).await, UNRECOGNIZED_NAME);
    assert_eq!((stage.refused("UnknownName"), stage.refused("NoName")), (1, 1));
    let error = stage.client("nobody.example.com").await.unwrap_err().to_string();
    assert!(error.contains("UnrecognisedName"), "{error}");
    stage.until_open(0).await;
}

#[tokio::test]
async fn the_alert_arrives_also_when_more_was_sent_than_anybody_reads() {
    let stage = Stage::new(&["--hello-limit=1024"]);
    let mut all = stage.pki.hello("nobody.example.com");
    all.resize(200_000, 7);
    assert_eq!(told(&stage, &all).await, UNRECOGNIZED_NAME);
}

#[tokio::test]
async fn plain_http_is_told_that_this_port_speaks_tls() {
    let stage = Stage::new(&[]);
    let answer = told(&stage, b"GET /healthz HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("speaks TLS"), "{answer}");
    assert_eq!(stage.refused("PlainHttp"), 1);
}

#[tokio::test]
async fn garbage_is_ended_without_a_word_and_broken_tls_with_an_alert() {
    let stage = Stage::new(&[]);
    assert!(told(&stage, b"SSH-2.0-OpenSSH_9.2\r\n").await.is_empty());
    assert_eq!(told(&stage, &[22, 3, 1, 0, 4, 1, 0, 0, 0]).await, DECODE_ERROR);
    assert_eq!((stage.refused("NotTls"), stage.refused("InvalidHello")), (1, 1));
}

#[tokio::test]
async fn a_hello_that_is_too_long_or_takes_too_long_is_refused() {
    let stage = Stage::new(&["--hello-limit=1000", "--hello-timeout=0.3"]);
    let mut long = vec![22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb];
    long.resize(1100, 0);
    assert_eq!(told(&stage, &long).await, DECODE_ERROR);
    assert_eq!(stage.refused("HelloTooLong"), 1);
    let started = Instant::now();
    let hello = stage.pki.hello("a.example.com");
    assert!(told(&stage, &hello[..hello.len() - 1]).await.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(stage.refused("HelloTooLate"), 1);
}

#[tokio::test]
async fn one_byte_at_a_time_does_not_make_the_deadline_longer() {
    let stage = Stage::new(&["--hello-timeout=0.3"]);
    let hello = stage.pki.hello("a.example.com");
    let (mut from, mut to) = stage.connect().await.into_split();
    let (started, drip) = (
        Instant::now(),
        tokio::spawn(async move {
            for byte in hello {
                if to.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }),
    );
    assert_eq!(from.read(&mut [0; 10]).await.unwrap_or(0), 0);
    assert!(started.elapsed() < Duration::from_secs(3));
    drip.abort();
    assert_eq!(stage.refused("HelloTooLate"), 1);
}

#[tokio::test]
async fn too_many_that_say_nothing_lose_the_oldest_and_keep_nobody_out() {
    let mut stage = Stage::new(&["--pending-limit=3"]);
    let backend = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], backend);
    let mut silent = Vec::new();
    for number in 1..=4 {
        silent.push(stage.connect().await);
        stage.until_open(number.min(3)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(read_all(&mut silent[0]).await.is_empty());
    assert_eq!(stage.refused("TooManyPending"), 1);
    assert!(stage.client("a.example.com").await.is_ok());
}

#[tokio::test]
async fn a_server_that_refuses_or_says_nothing_is_an_internal_error() {
    let mut stage = Stage::new(&["--connect-timeout=0.5"]);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    stage.route("refuses", &["refuses.example.com"], nobody);
    let hello = stage.pki.hello("refuses.example.com");
    assert_eq!(told(&stage, &hello).await, INTERNAL_ERROR);
    assert_eq!(stage.refused("BackendRefuses"), 1);
    // A listener whose queue is full drops what else wants to connect.
    let full = full_listener();
    stage.route("silent", &["silent.example.com"], full.1);
    let hello = stage.pki.hello("silent.example.com");
    assert_eq!(told(&stage, &hello).await, INTERNAL_ERROR);
    assert_eq!(stage.refused("BackendSilent"), 1);
}

type Full = (socket2::Socket, std::net::SocketAddr, Vec<std::net::TcpStream>);

fn full_listener() -> Full {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let wait = Duration::from_millis(100);
    let connect = || std::net::TcpStream::connect_timeout(&address, wait);
    let waiting = std::iter::from_fn(|| connect().ok()).take(10).collect();
    (listener, address, waiting)
}
