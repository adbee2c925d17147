//! `make bench-check`.

use std::process::ExitCode;

use e2e::bench::check;
use e2e::progress;

fn main() -> ExitCode {
    match check::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(&format!("bench-check: {failure}"));
            ExitCode::FAILURE
        }
    }
}
