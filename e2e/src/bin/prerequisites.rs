//! `make prerequisites`: installs the Debian packages that are missing.

use std::process::ExitCode;

use e2e::{prerequisites, progress};

fn main() -> ExitCode {
    match prerequisites::install_packages() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("prerequisites: {error}"));
            ExitCode::FAILURE
        }
    }
}
