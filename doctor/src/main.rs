//! `nagaya-doctor ENDPOINT --token … --discovery-token-ca-cert-hash …`: exit code 0 if `kubeadm join` with these arguments
//! would succeed, 1 if not, 2 if the arguments are none.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Parser as _;
use nagaya_doctor::{Arguments, Ground, examine};

fn main() -> ExitCode {
    let join = Arguments::parse();
    let report = examine(&join, &Ground::below(join.root.clone()));
    let text = if join.json { report.json() } else { report.text() };
    // Whoever closed the pipe does not read on; the exit code still tells.
    drop(stdout().lock().write_all(text.as_bytes()));
    if report.would_join { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
