//! Servers that go wrong, on loopback; each serves for as long as the test runs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nagaya_pki::Leaf;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// Accepts, and says nothing.
pub fn silent() -> SocketAddr {
    serve(|stream| {
        thread::park();
        drop(stream);
    })
}

/// Answers whatever comes with these words, in plain text.
pub fn plain(words: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(words.as_bytes()));
    })
}

/// One that speaks TLS and HTTP.
pub struct Https {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Https {
    pub fn was_shown(&self, token: &str) -> bool {
        let requests = self.requests.lock().unwrap();
        requests.iter().any(|request| request.contains("Authorization") && request.contains(token))
    }
}

/// Answers each question with what `body` makes of its own address and of how many it was asked before.
pub fn https(
    leaf: &Leaf,
    body: impl Fn(SocketAddr, usize) -> String + Send + Sync + 'static,
) -> Https {
    let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let (requests, body) = (Arc::new(Mutex::new(Vec::new())), Arc::new(body));
    let asked = Arc::clone(&requests);
    let address = serve(move |tcp| {
        let address = tcp.local_addr().unwrap();
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        // Whoever does not believe the certificate asks nothing.
        let Some(request) = head(&mut stream) else { return };
        let asked_before = {
            let mut asked = asked.lock().unwrap();
            asked.push(request);
            asked.len() - 1
        };
        let body = body(address, asked_before);
        let length = body.len();
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        drop(stream.write_all(answer.as_bytes()));
        stream.conn.send_close_notify();
        drop(stream.flush());
    });
    Https { address, requests }
}

fn head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(head).ok()
}

/// A path to `server` on which packets of more than `mtu` bytes get lost. What this side announces decides on the segments of
/// both, so that a connection that announces less comes through, and any other stands still at its first long piece.
pub fn narrow(server: SocketAddr, mtu: u32) -> SocketAddr {
    serve(move |client| {
        let onward = TcpStream::connect(server).unwrap();
        let segment = SockRef::from(&client).tcp_mss().unwrap();
        let fits = segment + 40 <= mtu;
        let limit = if fits { usize::MAX } else { usize::try_from(mtu - 40).unwrap() };
        let there = (client.try_clone().unwrap(), onward.try_clone().unwrap());
        thread::spawn(move || relay(there.0, there.1, limit));
        relay(onward, client, limit);
    })
}

/// A path to `server` that stands still for the first one who says anything.
pub fn hesitant(server: SocketAddr) -> SocketAddr {
    let has_stood_still = Arc::new(AtomicBool::new(false));
    serve(move |client| {
        let Ok(1..) = client.peek(&mut [0]) else { return };
        if !has_stood_still.swap(true, Ordering::Relaxed) {
            thread::park();
        }
        let onward = TcpStream::connect(server).unwrap();
        let there = (client.try_clone().unwrap(), onward.try_clone().unwrap());
        thread::spawn(move || relay(there.0, there.1, usize::MAX));
        relay(onward, client, usize::MAX);
    })
}

fn relay(mut from: TcpStream, mut to: TcpStream, limit: usize) {
    let mut piece = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if length > limit {
            thread::park();
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}
