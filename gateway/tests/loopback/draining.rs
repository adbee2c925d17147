//! The end of the process, as far as it is not the process: `tests/process.rs` sends the signals.

use std::time::{Duration, Instant};

use nagaya_gateway::admin::Readiness;
use nagaya_gateway::drain::drain;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::stage::{Stage, ask};

#[tokio::test]
async fn an_open_connection_survives_the_drain_and_its_end_is_the_end() {
    let mut stage = Stage::new(&["--drain-delay=2", "--drain-grace=20"]);
    let backend = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], backend);
    let mut client = stage.client("a.example.com").await.unwrap();
    let readiness = Readiness::default();
    readiness.filled();
    let (_signal, mut again) = mpsc::channel(1);
    let drained = drain(&stage.gateway, &readiness, &stage.settings, &mut again);
    let played = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(readiness.waits_for().is_some());
        // Load balancers may not have noticed yet.
        let mut late = stage.client("a.example.com").await.unwrap();
        assert_eq!(ask(&mut late, "1").await, "hello from a: 1\n");
        while TcpStream::connect(stage.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ask(&mut client, "2").await, "hello from a: 2\n");
        drop((late, client));
    };
    let (left, ()) =
        tokio::time::timeout(Duration::from_secs(15), async { tokio::join!(drained, played) })
            .await
            .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_grace_ends_and_a_second_signal_ends_at_once() {
    for (grace, signals) in [("--drain-grace=0.3", 0), ("--drain-grace=600", 1)] {
        let mut stage = Stage::new(&["--drain-delay=0", grace]);
        let backend = stage.pki.server("a").await;
        stage.route("a", &["a.example.com"], backend);
        let _client = stage.client("a.example.com").await.unwrap();
        let (signal, mut again) = mpsc::channel(1);
        for _ in 0..signals {
            signal.send(()).await.unwrap();
        }
        let started = Instant::now();
        let readiness = Readiness::default();
        let left = drain(&stage.gateway, &readiness, &stage.settings, &mut again).await;
        assert_eq!(left, 1);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
