//! The manager, the gateway and the forwarder as static programs, so that their images hold nothing else; and the join
//! doctor, so that it runs on any machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::cargo;
use crate::command::{command, output};
use crate::error::{Error, IoContext, Result};
use crate::{images, paths};

/// The manager's image as an archive, built first if anything of it changed.
///
/// # Errors
/// As [`build_manager`], or the cache cannot be written.
pub fn build_image() -> Result<PathBuf> {
    images::manager_image(&build_manager()?)
}

/// The gateway's image as an archive, built first if anything of it changed.
///
/// # Errors
/// It does not compile, or the cache cannot be written.
pub fn build_gateway_image() -> Result<PathBuf> {
    images::gateway_image(&build("the gateway", "nagaya-gateway", "gateway")?)
}

/// The forwarder's image as an archive, built first if anything of it changed.
///
/// # Errors
/// It does not compile, or the cache cannot be written.
pub fn build_forwarder_image() -> Result<PathBuf> {
    images::forwarder_image(&build("the forwarder", "nagaya-forwarder", "gateway")?)
}

/// The join doctor's static release build: what is copied to a machine that is to join.
///
/// # Errors
/// It does not compile.
pub fn build_doctor() -> Result<PathBuf> {
    build("the join doctor", "nagaya-doctor", "release")
}

/// The manager's static release build.
///
/// # Errors
/// The manager does not compile.
pub fn build_manager() -> Result<PathBuf> {
    build("the manager", "nagaya", "release")
}

/// A package's program by its name, static. It has a target folder of its own in the cache, since other
/// flags than those of `cargo build` would otherwise rebuild everything in turns.
fn build(what: &str, package: &str, profile: &str) -> Result<PathBuf> {
    let (target, triple) = (paths::cache().join("target-static"), host_triple()?);
    let programs = target.join(&triple).join(profile);
    let of = ["--locked", "--profile", profile, "--target", &triple];
    let with_target = |words: &[&str]| {
        let mut command = cargo(words);
        command.args(of).env("CARGO_TARGET_DIR", &target);
        command
    };
    forget_another_checkout(&programs, with_target(&["clean", "--quiet", "--workspace"]))?;
    let mut build = with_target(&["build", "--package", package]);
    // glibc has to be in the program: its image has no libraries.
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    crate::cargo::run(&format!("build {what}"), build)?;
    Ok(programs.join(package))
}

/// The folder is shared by all checkouts, and cargo takes what one of them has built for another's, whose files are older than that.
fn forget_another_checkout(programs: &Path, mut clean: Command) -> Result<()> {
    let (note, own) = (programs.join("checkout"), paths::checkout().display().to_string());
    if fs::read_to_string(&note).is_ok_and(|built| built == own) {
        return Ok(());
    }
    output(&mut clean)?;
    fs::create_dir_all(programs).on("make", programs)?;
    fs::write(&note, own).on("write", &note)
}

fn host_triple() -> Result<String> {
    let text = output(&mut command(&["rustc", "-vV"]))?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| {
        Error::Refused(format!("`rustc -vV` does not name its host; it says:\n{text}"))
    })
}
