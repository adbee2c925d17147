//! `make demo` and `make demo-down`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::{demo, interrupt, progress};

/// From nothing to a web page on a tenant's own virtual machine, all of it real.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Make it, or say what is already there (what no verb at all does, too).
    Up,
    /// Remove all of it.
    Down,
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb.unwrap_or(Verb::Up);
    let done = interrupt::watch().and_then(|()| match verb {
        Verb::Up => demo::up(),
        Verb::Down => demo::down(),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("demo: {error}"));
            ExitCode::FAILURE
        }
    }
}
