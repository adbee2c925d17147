//! A real S3 server (Versity's gateway) on loopback, over TLS with a CA of its own; its buckets are folders.
//! `VERSITYGW` names the binary; `make test` sets it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificate;

const PATIENCE: Duration = Duration::from_mins(1);
pub const ACCESS_KEY: &str = "nagaya";
pub const SECRET_KEY: &str = "not-so-secret";

pub struct Server {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
    pub ca: String,
}

impl Server {
    /// Returns once it listens, with the bucket `snapshots`.
    pub fn start() -> Self {
        let program = std::env::var_os("VERSITYGW").unwrap_or_else(|| {
            panic!(
                "VERSITYGW is not set: set it to the path of a versitygw binary, or run `make test`"
            )
        });
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("buckets/snapshots")).unwrap();
        let ca = certificate::write(folder.path(), "s3");
        // Free a moment ago; somebody else would have to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = |name: &str| folder.path().join(name);
        // It becomes the server, which then ends also with a test that is killed.
        let process = Command::new("setpriv")
            .arg("--pdeathsig=KILL")
            .arg(program)
            .args(["--quiet", &format!("--port={address}")])
            .args([format!("--access={ACCESS_KEY}"), format!("--secret={SECRET_KEY}")])
            .arg(format!("--cert={}", file("tls.crt").display()))
            .arg(format!("--key={}", file("tls.key").display()))
            .arg("posix")
            .arg(file("buckets"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = Self { process, address, folder, ca };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert_eq!(started.process.try_wait().unwrap(), None, "its words are above");
            assert!(since.elapsed() < PATIENCE, "versitygw does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A place in the bucket, which the server keeps as files.
    pub fn stored(&self, path: &str) -> PathBuf {
        self.folder.path().join("buckets/snapshots").join(path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
