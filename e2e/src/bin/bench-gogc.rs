//! `make bench-gogc`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::bench_gogc::{self, Extent};
use e2e::{interrupt, progress};

/// What kube-apiserver and etcd cost with each setting of Go's garbage collector.
#[derive(Parser)]
struct Cli {
    /// How many times each setting is measured.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds at rest before memory is read, as many again for the processor, and as many under load.
    #[arg(long, default_value = "20", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// This program is inside its namespaces.
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> ExitCode {
    let Cli { rounds, seconds, inside } = Cli::parse();
    let extent = Extent { rounds: rounds.into(), phase: Duration::from_secs(seconds) };
    if let Err(error) = interrupt::watch() {
        progress::say(&format!("bench-gogc: {error}"));
        return ExitCode::FAILURE;
    }
    let measured = if inside { bench_gogc::run_inside(extent) } else { bench_gogc::run(extent) };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(&format!("bench-gogc: {failure}"));
            ExitCode::FAILURE
        }
    }
}
