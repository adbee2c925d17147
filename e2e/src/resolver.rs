//! The sandbox's DNS, where there is a gateway: each name below its domain is the gateway's address, and no other name is there. The
//! nameserver of every host, which answers nothing otherwise.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::command;
use crate::components::{self, Component, NEWEST_MINOR};
use crate::error::{Error, IoContext as _, Result};
use crate::install::GATEWAY_DOMAIN;
use crate::network::{self, GATEWAY, MANAGEMENT_ADDRESS, SWITCH};
use crate::{paths, processes};

const START: Duration = Duration::from_secs(20);

/// Starts it, unless it runs.
///
/// # Errors
/// CoreDNS does not compile, or does not start.
pub fn start() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    let program = components::ensure(&Component::coredns(NEWEST_MINOR), "coredns")?;
    paths::write_whole(&configuration(), corefile().as_bytes())?;
    paths::write_whole(&resolv_conf(), format!("nameserver {GATEWAY}\n").as_bytes())?;
    let log = paths::state().join("resolver.log");
    let file = std::fs::File::create(&log).on("create", &log)?;
    let errors = file.try_clone().on("share", &log)?;
    let mut coredns = command(&network::enter(SWITCH));
    coredns.arg(program).arg("-conf").arg(configuration());
    coredns.stdin(Stdio::null()).stdout(file).stderr(errors);
    // Ctrl-C at our terminal is not for it.
    coredns.process_group(0).current_dir("/");
    coredns.spawn().map(drop).doing(|| "start the resolver".to_owned())?;
    let deadline = Instant::now() + START;
    // It says so once it listens.
    while !paths::read_text(&log)?.contains("CoreDNS-") {
        if Instant::now() > deadline {
            let (what, hint) = ("the start of the resolver".to_owned(), paths::read_text(&log)?);
            return Err(Error::Timeout { what, seconds: START.as_secs(), hint });
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Ends it; none there is as good.
///
/// # Errors
/// It does not end.
pub fn end() -> Result<()> {
    find().map_or(Ok(()), processes::Process::end)
}

/// A `resolv.conf` that names it; none while it does not run.
#[must_use]
pub fn configured() -> Option<PathBuf> {
    find().map(|_| resolv_conf())
}

fn find() -> Option<processes::Process> {
    let configuration = configuration().to_string_lossy().into_owned();
    let all = processes::in_network(&network::namespace_path(SWITCH));
    all.into_iter().find(|process| process.command_line().contains(&configuration))
}

fn configuration() -> PathBuf {
    paths::state().join("resolver.corefile")
}

fn resolv_conf() -> PathBuf {
    paths::state().join("resolver.conf")
}

fn corefile() -> String {
    format!(
        "{GATEWAY_DOMAIN} {{\n  bind {GATEWAY}\n  \
           template IN A {{\n    answer \"{{{{ .Name }}}} 60 IN A {MANAGEMENT_ADDRESS}\"\n  }}\n  \
           template IN ANY {{\n    rcode NOERROR\n  }}\n}}\n\
         . {{\n  bind {GATEWAY}\n  template IN ANY {{\n    rcode NXDOMAIN\n  }}\n}}\n"
    )
}
