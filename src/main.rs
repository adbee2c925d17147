//! The `nagaya` program: the manager, and the small verbs around it.

use std::process::ExitCode;

use clap::Parser;
use nagaya::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nagaya: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
