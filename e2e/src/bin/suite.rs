//! `make test` and `make lint`.

use std::process::ExitCode;

use clap::Parser;
use e2e::suite::{self, Section};
use e2e::{interrupt, progress};

/// Everything that CI runs, in order; or some of it.
#[derive(Parser)]
struct Cli {
    /// Only these; all if none is named.
    sections: Vec<Section>,
}

fn main() -> ExitCode {
    let sections = Cli::parse().sections;
    match interrupt::watch().and_then(|()| suite::run(&sections)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            progress::say(&format!("suite: {error}"));
            ExitCode::FAILURE
        }
    }
}
