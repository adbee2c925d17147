//! The `nagaya-gateway` program.

use std::process::ExitCode;

use clap::Parser;
use nagaya_gateway::config::Settings;
use nagaya_gateway::startup;

fn main() -> ExitCode {
    match startup::run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nagaya-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}
