//! The `nagaya-forwarder` program.

use std::process::ExitCode;

use clap::Parser;
use nagaya_forwarder::config::Settings;
use nagaya_forwarder::startup;

fn main() -> ExitCode {
    match startup::run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nagaya-forwarder: {error}");
            ExitCode::FAILURE
        }
    }
}
