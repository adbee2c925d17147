//! The manager, the gateway and the forwarder as static programs, so that their images hold nothing else; and the join
//! doctor, so that it runs on any machine.

use std::path::PathBuf;

use crate::cargo::cargo;
use crate::command::{command, output};
use crate::error::{Error, Result};
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
    let words =
        ["build", "--locked", "--profile", profile, "--package", package, "--target", &triple];
    let mut build = cargo(&words);
    // glibc has to be in the program: its image has no libraries.
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_TARGET_DIR", &target);
    crate::cargo::run(&format!("build {what}"), build)?;
    Ok(target.join(triple).join(profile).join(package))
}

fn host_triple() -> Result<String> {
    let text = output(&mut command(&["rustc", "-vV"]))?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| {
        Error::Refused(format!("`rustc -vV` does not name its host; it says:\n{text}"))
    })
}
