//! `make bench`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::bench::{self, Extent};
use e2e::{interrupt, progress};

/// What Nagaya costs in time and memory, beside the same objects without Nagaya.
#[derive(Parser)]
struct Cli {
    /// Planes made on each side, one after the other.
    #[arg(long, default_value = "9", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds that one more plane of each side is left alone before its memory is read.
    #[arg(long, default_value = "300")]
    idle: u64,
    /// Seconds that a tenant with two nodes and fifty kinds is left alone before its memory is read.
    #[arg(long, default_value = "1800")]
    used: u64,
}

fn main() -> ExitCode {
    let Cli { rounds, idle, used } = Cli::parse();
    let (idle, used) = (Duration::from_secs(idle), Duration::from_secs(used));
    let extent = Extent { rounds: rounds.into(), idle, used };
    if let Err(error) = interrupt::watch() {
        progress::say(&format!("bench: {error}"));
        return ExitCode::FAILURE;
    }
    match bench::run(extent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(&format!("bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}
