//! The verb `wait`, as an init container runs it, against a TLS server.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// Answers its requests with `answers`, one after the other, then with the last one for ever.
struct TlsServer {
    port: u16,
    folder: TempDir,
}

impl TlsServer {
    fn answering(answers: &'static [&'static str]) -> Self {
        let authority = authority();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), authority.cert_pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = serving(&authority);
        thread::spawn(move || {
            let last = *answers.last().unwrap();
            let mut answers = answers.iter().copied();
            for stream in listener.incoming() {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(session, stream.unwrap());
                if stream.read(&mut [0; 1024]).is_ok() {
                    let answer = answers.next().unwrap_or(last);
                    let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                }
            }
        });
        Self { port, folder }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("test", Timestamp::now(), SignedDuration::from_hours(1)).unwrap()
}

fn serving(authority: &CertificateAuthority) -> Arc<ServerConfig> {
    let request = LeafRequest {
        common_name: "server".to_owned(),
        organization: None,
        dns_names: vec!["localhost".to_owned()],
        ip_addresses: Vec::new(),
        usage: Usage::ServerAuth,
        validity: SignedDuration::from_hours(1),
    };
    let leaf = authority.issue(&request, Timestamp::now()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn wait(url: &str, ca_file: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nagaya"))
        .args(["wait", "--timeout=1s", "--url", url, "--ca-file"])
        .arg(ca_file)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_ends_as_soon_as_the_server_is_healthy() {
    let server = TlsServer::answering(&["500 Internal Server Error", "500 no", "200 OK"]);
    let started = Instant::now();
    let output = wait(&format!("https://localhost:{}/livez", server.port), &server.ca_file());
    assert!(output.status.success(), "{}", words(&output));
    assert!(started.elapsed() < Duration::from_millis(900));
    assert_eq!(words(&output).matches("HTTP 500").count(), 1, "each obstacle is printed once");
}

#[test]
fn it_gives_up_in_time_and_says_what_it_met() {
    let server = TlsServer::answering(&["500 Internal Server Error"]);
    let output = wait(&format!("https://localhost:{}/livez", server.port), &server.ca_file());
    assert!(!output.status.success());
    assert!(words(&output).contains("within 1s: HTTP 500"), "{}", words(&output));
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let server = TlsServer::answering(&["200 OK"]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = wait(&format!("https://localhost:{closed}/livez"), &server.ca_file());
    assert!(words(&output).contains("refused"), "{}", words(&output));
}

#[test]
fn a_server_of_another_authority_is_not_believed() {
    let server = TlsServer::answering(&["200 OK"]);
    let other = TlsServer::answering(&["200 OK"]);
    let output = wait(&format!("https://localhost:{}/livez", server.port), &other.ca_file());
    assert!(!output.status.success());
    assert!(words(&output).contains("certificate"), "{}", words(&output));
}

#[test]
fn a_tcp_address_is_there_when_it_accepts_connections() {
    let wait = |port: u16| {
        let url = format!("--url=tcp://localhost:{port}");
        let words = ["wait", "--timeout=1s", &url];
        Command::new(env!("CARGO_BIN_EXE_nagaya")).args(words).output().unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(wait(port).status.success());
    drop(listener);
    let output = wait(port);
    assert!(!output.status.success());
    assert!(words(&output).contains("within 1s: Connection refused"), "{}", words(&output));
}

#[test]
fn it_ends_when_it_is_told_to() {
    // As the first process of its pid namespace, as in a container.
    let nagaya = env!("CARGO_BIN_EXE_nagaya");
    let words = ["--pid", "--fork", "--kill-child", nagaya, "wait", "--url=tcp://127.0.0.1:1"];
    let mut child = Command::new("unshare").args(words).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 8];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let first = std::fs::read_to_string(children).unwrap();
    assert!(Command::new("kill").arg(first.trim()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn what_can_never_work_fails_at_once_and_names_the_option() {
    let server = TlsServer::answering(&["200 OK"]);
    let started = Instant::now();
    let plain = wait("http://localhost/livez", &server.ca_file());
    assert!(words(&plain).contains("--url"), "{}", words(&plain));
    let missing = wait("https://localhost/livez", &server.folder.path().join("missing.crt"));
    assert!(words(&missing).contains("--ca-file"), "{}", words(&missing));
    let untrusting = ["wait", "--timeout=1s", "--url=https://localhost/livez"];
    let output = Command::new(env!("CARGO_BIN_EXE_nagaya")).args(untrusting).output().unwrap();
    assert!(words(&output).contains("needs --ca-file"), "{}", words(&output));
    assert!(started.elapsed() < Duration::from_millis(900));
}
