//! The program itself, in a network namespace of its own: as root, with unshare(1), setpriv(1) and ip(8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "../../gateway/tests/loopback/stage.rs"]
#[allow(dead_code, reason = "made for the gateway")]
mod stage;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use stage::{PATIENCE, Stage, ask};
use tokio::net::TcpStream;

const INSIDE: &str = "NAGAYA_TEST_IN_ITS_NETWORK";
const ADDRESS: &str = "240.110.97.103";
const LISTEN: &str = "240.110.97.103:20443";
const HEALTH: &str = "240.110.97.103:20444";

/// True in a network namespace that this test has for itself; outside it starts itself there.
fn in_its_own_network(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        assert!(ip(&["link", "set", "lo", "up"]).is_ok());
        return true;
    }
    let mut inside = Command::new("unshare");
    inside.arg("--net").arg(std::env::current_exe().unwrap());
    inside.args(["--exact", test, "--nocapture"]).env(INSIDE, "yes");
    assert!(inside.status().unwrap().success(), "it failed in a network namespace of its own");
    false
}

fn ip(words: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// It ends with this.
struct Process(Child);

impl Process {
    fn start(gateway: SocketAddr, listen: &str, health: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_nagaya-forwarder"));
        program.args(words(gateway, listen, health)).stdin(Stdio::null());
        Self(program.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn words(gateway: SocketAddr, listen: &str, health: &str) -> Vec<String> {
    vec![
        format!("--listen={listen}"),
        format!("--health={health}"),
        format!("--gateway={gateway}"),
        "--authority=a.example.com".to_owned(),
    ]
}

/// What `/readyz` says; none while nobody answers.
fn readyz(health: &str) -> Option<String> {
    let mut stream = StdStream::connect(health).ok()?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

async fn until_ready(health: &str) {
    let since = Instant::now();
    while !readyz(health).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")) {
        assert!(since.elapsed() < PATIENCE, "{:?}", readyz(health));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn stage() -> Stage {
    let mut stage = Stage::new(&[]);
    let a = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], a);
    stage
}

/// A question by the address, without a name in TLS.
async fn asks(stage: &Stage, listen: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(listen).await?;
    let mut client = stage.pki.handshake(stream, "127.0.0.1").await?;
    Ok(ask(&mut client, "1").await)
}

async fn until_it_answers(stage: &Stage, listen: &str) -> Duration {
    let since = Instant::now();
    loop {
        match asks(stage, listen).await {
            Ok(answer) => {
                assert_eq!(answer, "hello from a: 1\n");
                return since.elapsed();
            }
            Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machine_has_the_address_whatever_befalls_it_or_the_program() {
    if !in_its_own_network("the_machine_has_the_address_whatever_befalls_it_or_the_program") {
        return;
    }
    let stage = stage().await;
    let first = Process::start(stage.address(), LISTEN, HEALTH);
    until_ready(HEALTH).await;
    until_it_answers(&stage, LISTEN).await;
    let shown = ip(&["address", "show", "dev", "lo"]).unwrap();
    assert!(shown.contains(&format!("inet {ADDRESS}/32 scope host lo:nagaya")), "{shown}");

    ip(&["address", "delete", &format!("{ADDRESS}/32"), "dev", "lo"]).unwrap();
    assert!(asks(&stage, LISTEN).await.is_err());
    let took = until_it_answers(&stage, LISTEN).await;
    assert!(took < Duration::from_secs(8), "{took:?}");

    first.signal(Signal::KILL);
    drop(first);
    assert!(asks(&stage, LISTEN).await.is_err());
    let _second = Process::start(stage.address(), LISTEN, HEALTH);
    until_it_answers(&stage, LISTEN).await;
    let shown = ip(&["address", "show", "dev", "lo"]).unwrap();
    assert_eq!(shown.matches(ADDRESS).count(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_leaves_no_gap_and_cuts_nobody() {
    if !in_its_own_network("an_update_leaves_no_gap_and_cuts_nobody") {
        return;
    }
    let stage = stage().await;
    let mut old = Process::start(stage.address(), LISTEN, HEALTH);
    until_ready(HEALTH).await;
    let stream = TcpStream::connect(LISTEN).await.unwrap();
    let mut watch = stage.pki.handshake(stream, "127.0.0.1").await.unwrap();
    assert_eq!(ask(&mut watch, "1").await, "hello from a: 1\n");
    // As a DaemonSet with maxSurge does it.
    let _new = Process::start(stage.address(), LISTEN, HEALTH);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for round in 0..100 {
        if round == 50 {
            old.signal(Signal::TERM);
        }
        assert_eq!(asks(&stage, LISTEN).await.unwrap(), "hello from a: 1\n", "{round}");
    }
    assert_eq!(ask(&mut watch, "2").await, "hello from a: 2\n");
    assert!(old.0.try_wait().unwrap().is_none(), "it waits for the connection");
    drop(watch);
    assert_eq!(old.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_gateway_it_is_not_ready_and_an_ipv6_address_is_never_a_source() {
    if !in_its_own_network(
        "without_a_gateway_it_is_not_ready_and_an_ipv6_address_is_never_a_source",
    ) {
        return;
    }
    let (listen, health) = ("[fd6e:6167:6179::1]:20443", "[fd6e:6167:6179::1]:20444");
    let stage = stage().await;
    let nobody = "127.0.0.1:1".parse().unwrap();
    let alone = Process::start(nobody, listen, health);
    let since = Instant::now();
    let answer = loop {
        if let Some(answer) = readyz(health) {
            break answer;
        }
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("gateway"), "{answer}");
    let shown = ip(&["-6", "address", "show", "dev", "lo"]).unwrap();
    assert!(shown.contains("fd6e:6167:6179::1/128") && shown.contains("deprecated"), "{shown}");
    drop(alone);
    let _second = Process::start(stage.address(), listen, health);
    until_it_answers(&stage, listen).await;
}

#[test]
fn without_the_right_it_says_which_it_is() {
    if !in_its_own_network("without_the_right_it_says_which_it_is") {
        return;
    }
    let mut program = Command::new("setpriv");
    program.args(["--bounding-set", "-net_admin", env!("CARGO_BIN_EXE_nagaya-forwarder")]);
    let nobody = "127.0.0.1:1".parse().unwrap();
    let output = program.args(words(nobody, LISTEN, HEALTH)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("NET_ADMIN") && said.contains(ADDRESS), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
