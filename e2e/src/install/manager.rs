//! The manager as a static program, so that its image holds nothing else.

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

/// The manager's static release build. It has a target folder of its own in the cache, since other
/// flags than those of `cargo build` would otherwise rebuild everything in turns.
///
/// # Errors
/// The manager does not compile.
pub fn build_manager() -> Result<PathBuf> {
    let (target, triple) = (paths::cache().join("target-static"), host_triple()?);
    let words = ["build", "--locked", "--release", "--package", "nagaya", "--target", &triple];
    let mut build = cargo(&words);
    // glibc has to be in the program: its image has no libraries.
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_TARGET_DIR", &target);
    crate::cargo::run("build the manager", build)?;
    Ok(target.join(triple).join("release/nagaya"))
}

fn host_triple() -> Result<String> {
    let text = output(&mut command(&["rustc", "-vV"]))?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| {
        Error::Refused(format!("`rustc -vV` does not name its host; it says:\n{text}"))
    })
}
