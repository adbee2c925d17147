//! `sandbox status`: the hosts, and whether the management cluster is well.

use std::process::ExitCode;

use crate::error::Result;
use crate::state::HostKind;
use crate::{host, management, state};

/// Prints the hosts and the cluster's health; the exit code is 0 only if all is well.
///
/// # Errors
/// The state cannot be read.
pub fn print() -> Result<ExitCode> {
    let hosts = state::hosts()?;
    if hosts.is_empty() {
        println!("the sandbox is down; `sandbox up` starts it");
        return Ok(ExitCode::FAILURE);
    }
    println!("{:<16} {:<11} {:<15} {:<11} STATE", "HOST", "KIND", "ADDRESS", "KUBERNETES");
    let mut all_run = true;
    for record in hosts {
        let kind = match record.kind {
            HostKind::Namespaces => "namespaces",
            HostKind::Vm => "vm",
        };
        let (name, address, minor) =
            (record.name.clone(), record.address.to_string(), record.kubernetes.clone());
        let runs = host::of(record).is_running();
        all_run &= runs;
        let state = if runs { "running" } else { "off" };
        println!("{name:<16} {kind:<11} {address:<15} {minor:<11} {state}");
    }
    let (well, nodes) = (management::is_healthy(), management::hosts()?.len());
    println!(
        "management cluster of {nodes} node{}: {}",
        if nodes == 1 { "" } else { "s" },
        if well { "healthy" } else { "not healthy, run `sandbox up`" }
    );
    Ok(if well && all_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
