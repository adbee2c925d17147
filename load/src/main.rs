//! `counter`: asks a tenant's API server a fixed number of times a second and counts what it is refused.
//!
//! Half of the requests use a connection of their own, and half of all are writes. A reset, a refusal, a 5xx and
//! no answer within 30 s are failures; what the server has not begun and puts off (`Retry-After`, GOAWAY) is asked
//! once more and counted apart. A watch follows all that is written, as an informer does: from where it was, when
//! its stream ends. At the end, by itself or when its input is closed, one line of JSON says what came of it
//! ([`report::Report`]). A line of input before that ends the asking alone: what was acknowledged until then is what
//! has to be there at the end, and nothing is written over it.

mod access;
mod client;
mod report;
mod requests;
mod watch;

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

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
    let until = Instant::now() + Duration::from_secs(cli.seconds);
    let (held, closed) = input();
    tokio::select! {
        () = requests::ask(&client, &tally, cli.rate, start) => {}
        () = sleep_until(until) => {}
        _ = held => {}
    }
    tokio::select! {
        () = sleep_until(until) => {}
        _ = closed => {}
    }
    tally.settle().await;
    watch.abort();
    let now = requests::read_all(&client).await?;
    Ok(tally.report(&now, client.deferred()))
}

/// Resolve when there is a line of input, and when it is closed. Whoever started this program ends it so, also by
/// ending himself.
fn input() -> (oneshot::Receiver<Infallible>, oneshot::Receiver<Infallible>) {
    let ((on_line, held), (on_end, closed)) = (oneshot::channel(), oneshot::channel());
    // A thread of its own: the runtime would wait for a blocking task when this program is done.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        drop(on_line);
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(on_end);
    });
    (held, closed)
}
