//! `make bench-gateway`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::bench_gateway::{self, Extent, Programs};
use e2e::{interrupt, progress};

/// The gateway beside HAProxy and nginx, and beside no proxy at all.
#[derive(Parser)]
struct Cli {
    /// Routes at the same time.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u16).range(1..=4000))]
    routes: u16,
    /// Connections at the same time, where there are most of them; a hundredth of them are busy.
    #[arg(long, default_value = "5000", value_parser = clap::value_parser!(u16).range(100..=6000))]
    connections: u16,
    /// How many times each is measured; the medians count.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u8).range(1..=20))]
    rounds: u8,
    /// Seconds for each measurement of throughput.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// A folder with ready `nagaya-gateway` and `gateway_load`, instead of building them.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// The gateway and what comes to it: this program is inside its namespaces.
    #[arg(long, hide = true, num_args = 2, value_names = ["GATEWAY", "LOAD"])]
    inside: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let Cli { routes, connections, rounds, seconds, programs, inside } = Cli::parse();
    let (routes, connections) = (routes.into(), connections.into());
    let extent = Extent { routes, connections, rounds: rounds.into(), seconds, programs };
    if let Err(error) = interrupt::watch() {
        progress::say(&format!("bench-gateway: {error}"));
        return ExitCode::FAILURE;
    }
    let measured = match <[PathBuf; 2]>::try_from(inside) {
        Ok([gateway, load]) => bench_gateway::run_inside(&extent, &Programs { gateway, load }),
        Err(_) => bench_gateway::run(&extent),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(&format!("bench-gateway: {failure}"));
            ExitCode::FAILURE
        }
    }
}
