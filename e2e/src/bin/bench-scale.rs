//! `make bench-scale`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::bench_scale::{self, Extent, Programs};
use e2e::{interrupt, progress};

/// What the manager costs with very many tenants, whose machines and API servers are played.
#[derive(Parser)]
struct Cli {
    /// Tenants at the same time; a fifth of them say nothing.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u16).range(10..=2000))]
    tenants: u16,
    /// Seconds that the manager is left alone for what it takes then.
    #[arg(long, default_value = "60", value_parser = clap::value_parser!(u64).range(1..))]
    idle: u64,
    /// A folder with ready `nagaya` and `stub_tenants`, instead of building them.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// The manager and what answers for the tenants: this program is inside its namespaces.
    #[arg(long, hide = true, num_args = 2, value_names = ["NAGAYA", "STUB_TENANTS"])]
    inside: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let Cli { tenants, idle, programs, inside } = Cli::parse();
    let extent = Extent { tenants: tenants.into(), idle, programs };
    if let Err(error) = interrupt::watch() {
        progress::say(&format!("bench-scale: {error}"));
        return ExitCode::FAILURE;
    }
    let measured = match <[PathBuf; 2]>::try_from(inside) {
        Ok([nagaya, stub_tenants]) => {
            bench_scale::run_inside(&extent, &Programs { nagaya, stub_tenants })
        }
        Err(_) => bench_scale::run(&extent),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(&format!("bench-scale: {failure}"));
            ExitCode::FAILURE
        }
    }
}
