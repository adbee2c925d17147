//! `counter`: asks a tenant's API server a fixed number of times a second and counts what it is refused.
//!
//! Half of the requests use a connection of their own, and half of all are writes. A reset, a refusal, a 5xx and
//! no answer within 30 s are failures; what the server has not begun and puts off (`Retry-After`, GOAWAY) is asked
//! once more and counted apart. A watch follows all that is written, as an informer does: from where it was, when
//! its stream ends. At the end, by itself or when its input is closed, one line of JSON says what came of it
//! ([`report::Report`]).

mod access;
mod client;
mod report;
mod requests;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::sync::oneshot;

use client::Client;
use report::Tally;

/// Counts what an API server refuses.
#[derive(Parser)]
struct Cli {
    /// Kubeconfig of the cluster.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Requests a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Ends after this many seconds, if nobody ends it before.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// Why there is nothing to count.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {0}")]
    Kubeconfig(String),
    /// The objects to write to could not be made, or not be read at the end.
    #[error("{0}")]
    Cluster(String),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("counter: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<serde_json::Value, Error> {
    let access = access::read(&cli.kubeconfig)?;
    let client = Arc::new(Client::new(&access));
    let start = requests::prepare(&client).await?;
    let tally = Arc::new(Tally::default());
    // Whoever waits for this line knows that from now on everything counts; the watch has words of its own.
    eprintln!("counting");
    let watch = tokio::spawn(watch::follow(Arc::clone(&client), Arc::clone(&tally), start));
    tokio::select! {
        () = requests::ask(&client, &tally, cli.rate, start) => {}
        () = tokio::time::sleep(Duration::from_secs(cli.seconds)) => {}
        () = input_closed() => {}
    }
    tally.settle().await;
    watch.abort();
    let now = requests::read_all(&client).await?;
    Ok(tally.report(&now, client.deferred()))
}

/// Whoever started this program ends it so, also by ending himself.
async fn input_closed() {
    let (closed, wait) = oneshot::channel();
    // A thread of its own: the runtime would wait for a blocking task when this program is done.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        closed.send(())
    });
    let _ = wait.await;
}
