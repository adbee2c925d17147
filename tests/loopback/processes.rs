//! Kubernetes' own programs on loopback, as real as they are: what tests that want an API server start it with.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that ends with this, and with a test that is killed.
pub struct Process(&'static str, Child);

impl Process {
    pub fn start(name: &'static str, folder: &Path, arguments: &[String]) -> Self {
        let log = fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let child = Command::new("setpriv")
            .arg("--pdeathsig=KILL")
            .arg(binary(name))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self(name, child.unwrap())
    }

    pub fn assert_runs(&mut self) {
        let status = self.1.try_wait().unwrap();
        assert!(status.is_none(), "{} has ended: {status:?}", self.0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.1.kill());
        drop(self.1.wait());
    }
}

fn binary(name: &str) -> OsString {
    let variable = name.to_uppercase().replace('-', "_");
    std::env::var_os(&variable).unwrap_or_else(|| {
        panic!("{variable} is not set: set it to the path of a {name} binary, or run `make test`")
    })
}

/// Free a moment ago; somebody else would have to take it within milliseconds.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn start_etcd(folder: &Path) -> (Process, String) {
    let [client, peer] = [free_address(), free_address()].map(|at| format!("http://{at}"));
    let arguments = [
        "--data-dir=etcd".to_owned(),
        // Nothing has to outlive the test.
        "--unsafe-no-fsync".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ];
    (Process::start("etcd", folder, &arguments), client)
}
