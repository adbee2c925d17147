//! How connections end: half-closed, broken, silent; and that large amounts arrive as they were sent.

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stage::{PATIENCE, Stage, read_all, serve};

/// A stage with one server, and a client that has sent its `ClientHello` there.
async fn led(stage: &mut Stage, backend: std::net::SocketAddr) -> TcpStream {
    stage.route("a", &["a.example.com"], backend);
    let mut client = stage.connect().await;
    client.write_all(&stage.pki.hello("a.example.com")).await.unwrap();
    client
}

#[tokio::test]
async fn the_end_of_one_side_is_carried_and_the_other_goes_on() {
    let mut stage = Stage::new(&[]);
    let backend = serve(|mut stream| async move {
        let read = read_all(&mut stream).await.len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(&vec![1; read * 1000]).await.unwrap();
    })
    .await;
    let mut client = led(&mut stage, backend).await;
    client.shutdown().await.unwrap();
    let length = stage.pki.hello("a.example.com").len() * 1000;
    assert_eq!(read_all(&mut client).await.len(), length);
    stage.until_open(0).await;
    assert_eq!(stage.metric("nagaya_gateway_ended_total{reason=\"Closed\"}"), 1);
}

#[tokio::test]
async fn who_goes_on_too_long_after_the_others_end_is_ended() {
    let mut stage = Stage::new(&["--half-close-timeout=0.4"]);
    let backend = serve(|mut stream| async move {
        read_all(&mut stream).await;
        while stream.write_all(b"still here").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut client = led(&mut stage, backend).await;
    let started = Instant::now();
    client.shutdown().await.unwrap();
    let mut said = Vec::new();
    // With a reset or without: bytes may have been on their way.
    let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut said)).await.unwrap();
    assert!(!said.is_empty() && started.elapsed() >= Duration::from_millis(400));
    stage.until_open(0).await;
    assert_eq!(stage.metric("nagaya_gateway_ended_total{reason=\"HalfClosedTooLong\"}"), 1);
}

#[tokio::test]
async fn a_reset_of_one_side_ends_the_other() {
    let mut stage = Stage::new(&[]);
    let backend = serve(|mut stream| async move {
        stream.read_u8().await.unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let mut client = led(&mut stage, backend).await;
    let ended = tokio::time::timeout(PATIENCE, client.read(&mut [0; 10])).await.unwrap();
    assert_eq!(ended.unwrap_or(0), 0);
    stage.until_open(0).await;
    assert_eq!(stage.metric("nagaya_gateway_ended_total{reason=\"Broken\"}"), 1);
}

#[tokio::test]
async fn both_sockets_ask_whether_a_silent_peer_is_there() {
    let mut stage = Stage::new(&["--dead-peer-timeout=60"]);
    let backend = serve(|mut stream| async move { drop(read_all(&mut stream).await) }).await;
    let client = led(&mut stage, backend).await;
    stage.until_open(1).await;
    // The kernel's word: `timer:(keepalive,29sec,0)`, in our process for either end's gateway side.
    let ports = [client.local_addr().unwrap().port(), backend.port()];
    for port in ports {
        crate::stage::until(|| {
            let filter = format!("dport = :{port}");
            let said = std::process::Command::new("ss").args(["-Htno", &filter]).output().unwrap();
            String::from_utf8_lossy(&said.stdout).contains("timer:(keepalive,")
        })
        .await;
    }
    drop(client);
}

/// Bytes that depend on their place.
fn pattern(length: u32) -> Vec<u8> {
    (0..length).flat_map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

#[tokio::test]
async fn large_amounts_arrive_as_they_were_sent_in_both_directions_at_once_also_to_who_reads_slowly()
 {
    let mut stage = Stage::new(&[]);
    let echo = serve(|stream| async move {
        let (mut from, mut to) = stream.into_split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    })
    .await;
    stage.route("a", &["a.example.com"], echo);
    let all = [stage.pki.hello("a.example.com"), pattern(8_000_000)].concat();
    let (mut from, mut to) = stage.connect().await.into_split();
    let expected = all.clone();
    let sent = tokio::spawn(async move {
        to.write_all(&all).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut arrived = Vec::new();
    let mut buffer = vec![0; 300_000];
    let mut random = fastrand::Rng::with_seed(3);
    loop {
        // Now slower than what comes, so that it is held up, and now faster.
        if random.u8(..4) == 0 {
            tokio::time::sleep(Duration::from_millis(random.u64(..8))).await;
        }
        let most = random.usize(1..buffer.len());
        let read = tokio::time::timeout(PATIENCE, from.read(&mut buffer[..most])).await;
        match read.unwrap().unwrap() {
            0 => break,
            read => arrived.extend_from_slice(&buffer[..read]),
        }
    }
    sent.await.unwrap();
    assert!(arrived == expected, "{} of {} bytes", arrived.len(), expected.len());
    stage.until_open(0).await;
}
