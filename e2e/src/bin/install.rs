//! `make install`, `make image`, `make gateway-image`, `make forwarder-image` and `make doctor`.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::{install, interrupt, progress};

/// Installs this checkout's Nagaya into the running sandbox, in place of what is there.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Only make the manager's image, and print where it is.
    Image,
    /// Only make the gateway's image, and print where it is.
    GatewayImage,
    /// Only make the forwarder's image, and print where it is.
    ForwarderImage,
    /// The gateway instead, beside the Nagaya that is there: at the port 443 of the management host.
    Gateway,
    /// Only make the join doctor, one static program, and print where it is.
    Doctor,
}

fn print(made: &Path) {
    println!("{}", made.display());
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let done = interrupt::watch().and_then(|()| match verb {
        None => install::install(),
        Some(Verb::Image) => install::build_image().map(|path| print(&path)),
        Some(Verb::Gateway) => install::install_gateway(),
        Some(Verb::GatewayImage) => install::build_gateway_image().map(|path| print(&path)),
        Some(Verb::ForwarderImage) => install::build_forwarder_image().map(|path| print(&path)),
        Some(Verb::Doctor) => install::build_doctor().map(|path| print(&path)),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("install: {error}"));
            ExitCode::FAILURE
        }
    }
}
