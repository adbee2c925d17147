//! `stub_tenants`: answers for all tenants of a management cluster whose pods do not really run.
//!
//! Each control plane that Nagaya makes there gets an API server in memory and an etcd that says it is well, behind
//! TLS with the certificates out of the plane's own Secrets, at the addresses of its Services. So the manager goes the
//! ways that it goes to real ones. `make bench-scale` runs it (`e2e/src/bench_scale.rs`).
//!
//! | what | file |
//! |---|---|
//! | which control planes there are | `planes.rs`, `watch.rs` |
//! | their API servers | `api_server.rs`; what is in them is that of `tests/controllers` |
//! | their etcds, and how their names are found | `etcd.rs`, `dns.rs` |
//! | what it is told on its standard input | `orders.rs` |

mod api_server;
#[path = "../../tests/controllers"]
#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "made for the tests of controllers, of which only a part is used here"
)]
mod controllers {
    pub mod memory_api;
    pub mod process;
    pub mod world {
        pub mod signers;
    }
}
mod dns;
mod etcd;
mod orders;
mod planes;
mod watch;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use controllers::{memory_api, process};
use kube::Client;

use planes::Planes;

/// Answers for the tenants of the management cluster that `KUBECONFIG` names.
#[derive(Clone, Parser)]
pub struct Options {
    /// Where a NodePort is served.
    #[arg(long)]
    node_address: Ipv4Addr,
    /// Where every etcd member and the DNS server are.
    #[arg(long)]
    etcd_address: Ipv4Addr,
    /// How much later each connection and each answer comes, in milliseconds.
    #[arg(long)]
    latency: u64,
    /// Tenants whose names begin so accept connections and never say anything.
    #[arg(long)]
    silent: String,
}

impl Options {
    fn latency(&self) -> Duration {
        Duration::from_millis(self.latency)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stub_tenants: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Until the input is closed, which whoever started this program does also by ending himself.
async fn run(options: Options) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let client = Client::try_default().await?;
    let planes = Arc::new(Planes::new(options.clone()));
    tokio::select! {
        () = watch::follow(client, &planes) => Ok(()),
        ended = api_server::serve_inside(&planes) => ended.map_err(Into::into),
        ended = etcd::serve(&planes) => ended.map_err(Into::into),
        ended = dns::serve(options.etcd_address) => ended.map_err(Into::into),
        () = api_server::keep_signing(&planes) => Ok(()),
        () = orders::take(&planes) => Ok(()),
    }
}
