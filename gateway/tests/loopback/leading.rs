//! Who is led where: by exact names, and in whatever pieces the `ClientHello` comes.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::stage::{Stage, ask, read_all, serve};

#[tokio::test]
async fn each_name_leads_to_its_own_server_whatever_its_case() {
    let mut stage = Stage::new(&[]);
    let (a, b) = (stage.pki.server("a").await, stage.pki.server("b").await);
    stage.route("a", &["a.example.com", "other.example.com"], a);
    stage.route("b", &["b.example.com"], b);
    for (name, expected) in
        [("a.example.com", "a"), ("B.Example.com", "b"), ("other.example.com", "a")]
    {
        let mut client = stage.client(name).await.unwrap();
        assert_eq!(ask(&mut client, "1").await, format!("hello from {expected}: 1\n"));
        assert_eq!(ask(&mut client, "2").await, format!("hello from {expected}: 2\n"));
    }
    assert!(stage.metric("nagaya_gateway_opened_total") >= 3);
    stage.until_open(0).await;
    assert!(stage.metric("nagaya_gateway_ended_total{reason=\"Closed\"}") >= 1);
}

#[tokio::test]
async fn a_hello_in_single_bytes_arrives_as_it_was_sent() {
    let mut stage = Stage::new(&[]);
    let (told, mut arrived) = mpsc::unbounded_channel();
    let backend = serve(move |mut stream| {
        let told = told.clone();
        async move { told.send(read_all(&mut stream).await).unwrap() }
    })
    .await;
    stage.route("a", &["a.example.com"], backend);
    let hello = stage.pki.hello("a.example.com");
    let mut client = stage.connect().await;
    client.set_nodelay(true).unwrap();
    for byte in &hello {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    assert_eq!(arrived.recv().await.unwrap(), hello);
}

#[tokio::test]
async fn what_follows_a_hello_at_once_arrives_behind_it() {
    let mut stage = Stage::new(&["--hello-limit=2000"]);
    let (told, mut arrived) = mpsc::unbounded_channel();
    let backend = serve(move |mut stream| {
        let told = told.clone();
        async move { told.send(read_all(&mut stream).await).unwrap() }
    })
    .await;
    stage.route("a", &["a.example.com"], backend);
    let mut all = stage.pki.hello("a.example.com");
    all.extend([20, 3, 3, 0, 1, 1]);
    all.extend((0..100_000_u32).flat_map(u32::to_be_bytes));
    let mut client = stage.connect().await;
    client.write_all(&all).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(arrived.recv().await.unwrap() == all);
}

#[tokio::test]
async fn a_hello_in_two_records_and_two_segments_is_read() {
    let mut stage = Stage::new(&[]);
    let backend = serve(|mut stream| async move {
        let length = read_all(&mut stream).await.len();
        stream.write_all(length.to_string().as_bytes()).await.unwrap();
    })
    .await;
    stage.route("a", &["a.example.com"], backend);
    let hello = stage.pki.hello("a.example.com");
    let (first, second) = hello[5..].split_at(100);
    let record = |piece: &[u8]| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&hello[..3], &length, piece].concat()
    };
    let mut client = stage.connect().await;
    client.write_all(&record(first)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write_all(&record(second)).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, (hello.len() + 5).to_string().as_bytes());
}
