//! A container runtime that answers two calls of CRI over a Unix socket, or knows none.

use std::fs;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

const TICK: Duration = Duration::from_millis(50);
pub const SOCKET: &str = "run/containerd/containerd.sock";

/// Ends with this.
pub struct Runtime {
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What it knows of CRI.
#[derive(Clone, Copy)]
enum Knows {
    Nothing,
    Version,
    Driver(u8),
}

impl Runtime {
    /// With the number of its cgroup driver (0 is systemd, 1 cgroupfs), or too old to say it.
    pub fn start(root: &Path, driver: Option<u8>) -> Self {
        Self::serve(root, driver.map_or(Knows::Version, Knows::Driver))
    }

    /// With its CRI plugin switched off.
    pub fn without_cri(root: &Path) -> Self {
        Self::serve(root, Knows::Nothing)
    }

    fn serve(root: &Path, knows: Knows) -> Self {
        let path = root.join(SOCKET);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let listener = StdListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                while !ended.load(Ordering::Relaxed) {
                    if let Ok(Ok((stream, _))) = timeout(TICK, listener.accept()).await {
                        tokio::spawn(converse(stream, knows));
                    }
                }
            });
        });
        Self { has_ended, thread: Some(thread) }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn converse(stream: UnixStream, knows: Knows) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        answer(&request, respond, knows);
    }
}

fn answer<B>(request: &Request<B>, mut respond: SendResponse<Bytes>, knows: Knows) {
    let method = request.uri().path().rsplit('/').next().unwrap();
    let message = match (method, knows) {
        ("Version", Knows::Version | Knows::Driver(_)) => {
            [text(1, "0.1.0"), text(2, "containerd"), text(3, "2.4.2"), text(4, "v1")].concat()
        }
        ("RuntimeConfig", Knows::Driver(0)) => vec![0x0a, 0],
        ("RuntimeConfig", Knows::Driver(number)) => vec![0x0a, 2, 0x08, number],
        _ => {
            let refusal = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "12")
                .header("grpc-message", "unknown service runtime.v1.RuntimeService");
            respond.send_response(refusal.body(()).unwrap(), true).unwrap();
            return;
        }
    };
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut body = respond.send_response(head, false).unwrap();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    body.send_data([&[0], length.as_slice(), &message].concat().into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    body.send_trailers(trailers).unwrap();
}

fn text(field: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[field << 3 | 2, length], text.as_bytes()].concat()
}
