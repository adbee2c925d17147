//! `make prerequisites`: what of Debian and of Rust this machine lacks, and its installation.
//!
//! `e2e/prerequisites` has looked for cargo, go and a C compiler before this could be compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::command::{command, output, run};
use crate::error::{Error, IoContext, Result};
use crate::progress::{say, step};
use crate::{paths, preflight};

/// Programs of tests and the benchmark that are no part of the sandbox, and their Debian packages.
const OF_TESTS: [(&str, &str); 5] = [
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("haproxy", "haproxy"),
    ("prometheus", "prometheus"),
    ("lua5.4", "lua5.4"),
];
/// What `make bench-gateway` measures the gateway beside: files, and the packages that have them.
const OF_BENCH_GATEWAY: [(&str, &str); 3] = [
    ("/usr/sbin/haproxy", "haproxy"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/lib/nginx/modules/ngx_stream_module.so", "libnginx-mod-stream"),
];
/// Asked by Debian's packages whether a service may be started (`invoke-rc.d`'s policy layer).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// The version of cargo-deny whose verdict counts.
const CARGO_DENY: &str = "0.20.2";

/// Installs the missing Debian packages, saying which before.
///
/// # Errors
/// This is not run as root, this is no Debian, or apt-get fails.
pub fn install_packages() -> Result<()> {
    let mut missing = preflight::packages_to_install();
    let of_tests = OF_TESTS.iter().filter(|(program, _)| output(&mut which(program)).is_err());
    missing.extend(of_tests.map(|(_, package)| package));
    missing.sort_unstable();
    missing.dedup();
    install(&missing)
}

/// [`install_packages`] for the gateway's rivals, which only its benchmark needs.
///
/// # Errors
/// As [`install_packages`].
pub fn install_rivals() -> Result<()> {
    let missing = OF_BENCH_GATEWAY.iter().filter(|(file, _)| !Path::new(file).exists());
    install(&missing.map(|(_, package)| *package).collect::<Vec<_>>())
}

fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        say("All Debian packages that are needed are installed.");
        return Ok(());
    }
    say(&format!("These Debian packages are missing and will be installed: {}", missing.join(" ")));
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotReady(format!(
            "- run it as root, or install them yourself: apt-get install --yes {}",
            missing.join(" ")
        )));
    }
    step("apt-get update", || run(&mut apt_get(&["update"])))?;
    let words = [&["install", "--yes", "--no-install-recommends"][..], missing].concat();
    step("apt-get install", || without_starting_services(|| run(&mut apt_get(&words))))
}

/// cargo-deny at the pinned version, built into the cache if it is not there.
///
/// # Errors
/// It cannot be built.
pub fn cargo_deny() -> Result<std::path::PathBuf> {
    let root = paths::cache().join(format!("cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny");
    if !program.exists() {
        // Run a second at a time, it is not worth the minutes that optimizing it takes.
        let words =
            ["install", "--debug", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"];
        let mut install = crate::cargo::cargo(&words);
        install.arg(&root).env("CARGO_TARGET_DIR", root.join("target"));
        crate::cargo::run(&format!("build cargo-deny {CARGO_DENY}"), install)?;
        paths::remove_folder(&root.join("target"))?;
    }
    Ok(program)
}

fn which(program: &str) -> Command {
    command(&["sh", "-c", &format!("command -v {program}")])
}

fn apt_get(words: &[&str]) -> Command {
    let mut apt_get = command(&[&["apt-get", "--quiet"], words].concat());
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}

/// nginx and prometheus are wanted as files: their packages must not open ports of this machine.
fn without_starting_services<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let policy = Path::new(POLICY);
    if policy.exists() {
        return work();
    }
    fs::write(policy, "#!/bin/sh\nexit 101\n").on("write", policy)?;
    let allowed = fs::set_permissions(policy, fs::Permissions::from_mode(0o755));
    let result = allowed.on("make executable", policy).and_then(|()| work());
    fs::remove_file(policy).on("remove", policy)?;
    result
}
