//! The container runtime, asked as the kubelet asks it: gRPC over a Unix socket, CRI v1.
//!
//! Two calls without arguments need no generated client: a request is an empty message, and of the answers a few fields are
//! read (`k8s.io/cri-api`, `pkg/apis/runtime/v1/api.proto`).

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use h2::client::SendRequest;
use tokio::net::UnixStream;

use super::kernel::read;
use crate::Arguments;
use crate::facts::{Driver, Runtime, RuntimeAnswer};

/// kubeadm's `defaultKnownCRISockets`; `/var/run` is a link to `/run` wherever systemd runs.
const SOCKETS: [&str; 3] =
    ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"];
const PATIENCE: Duration = Duration::from_secs(5);
/// A call that a runtime does not know.
const UNIMPLEMENTED: &str = "12";

pub fn look(join: &Arguments, root: &Path) -> Runtime {
    let named = join.cri_socket.as_deref().map(|path| path.trim_start_matches("unix://"));
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let is_socket =
        |path: &&str| below(path).metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let sockets: Vec<String> = named.map_or_else(
        || SOCKETS.iter().copied().filter(is_socket).map(str::to_owned).collect(),
        |path| vec![path.to_owned()],
    );
    let answer = match sockets.as_slice() {
        [socket] => Some(ask(&below(socket))),
        _ => None,
    };
    Runtime { sockets, answer, configured: configured(root) }
}

/// `SystemdCgroup` of runc, wherever a version of containerd keeps it. Not there, it is false; without a file, who knows.
fn configured(root: &Path) -> Option<Driver> {
    let text = read(root, "etc/containerd/config.toml")?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let found = lines.into_iter().find(|(key, _)| key.trim().trim_matches('"') == "SystemdCgroup");
    let is_on = found.is_some_and(|(_, value)| value.trim().starts_with("true"));
    Some(if is_on { Driver::Systemd } else { Driver::Cgroupfs })
}

fn ask(socket: &Path) -> Result<RuntimeAnswer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, converse(socket)).await });
    asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

async fn converse(socket: &Path) -> Result<RuntimeAnswer, String> {
    let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
    let (client, connection) =
        h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    // It ends with the runtime, or when the client goes.
    tokio::spawn(connection);
    let version = call(client.clone(), "Version").await?;
    let text =
        |number| String::from_utf8_lossy(field(&version, number).unwrap_or_default()).into_owned();
    let driver = match call(client, "RuntimeConfig").await {
        Ok(config) => Some(driver(&config)),
        Err(_) => None,
    };
    Ok(RuntimeAnswer { name: format!("{} {}", text(2), text(3)), driver })
}

/// Calls a method without arguments, and returns the message that it answers.
async fn call(client: SendRequest<bytes::Bytes>, method: &str) -> Result<Vec<u8>, String> {
    let words = |error: h2::Error| error.to_string();
    let request =
        http::Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| error.to_string())?;
    let mut client = client.ready().await.map_err(words)?;
    let (answer, mut body) = client.send_request(request, false).map_err(words)?;
    // Not compressed, and nothing long.
    body.send_data(bytes::Bytes::from_static(&[0; 5]), true).map_err(words)?;
    let (head, mut stream) = answer.await.map_err(words)?.into_parts();
    let mut message = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(words)?;
        // There is nobody to wait for if the window cannot grow.
        drop(stream.flow_control().release_capacity(chunk.len()));
        message.extend_from_slice(&chunk);
    }
    // A refusal has no body, and its status in the head.
    let trailers = stream.trailers().await.map_err(words)?.unwrap_or(head.headers);
    let said = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    match said("grpc-status") {
        Some("0") if message.len() >= 5 => Ok(message.split_off(5)),
        Some(UNIMPLEMENTED) => Err(said("grpc-message").unwrap_or("unknown service").to_owned()),
        status => Err(said("grpc-message").or(status).unwrap_or("it is no gRPC server").to_owned()),
    }
}

/// `linux.cgroup_driver`: systemd is 0, which is what is not there.
fn driver(message: &[u8]) -> Driver {
    let linux = field(message, 1).unwrap_or_default();
    if linux == [0x08, 0x01] { Driver::Cgroupfs } else { Driver::Systemd }
}

/// The bytes of a field that has a length of less than 16 KiB, in a message that has no other kind of field before it.
fn field(message: &[u8], number: u8) -> Option<&[u8]> {
    let mut rest = message;
    while let [tag, low, after @ ..] = rest {
        let (length, after) = match (low, after) {
            (low, [high, after @ ..]) if low & 0x80 != 0 => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, after)
            }
            (low, after) => (usize::from(*low), after),
        };
        let content = after.get(..length)?;
        if *tag == number << 3 | 2 {
            return Some(content);
        }
        rest = &after[length..];
    }
    None
}
