//! The version before this one, made from the history of this checkout: what an operator upgrades from.

use super::NAMESPACE;
use crate::cargo::cargo;
use crate::command::{command, output, run};
use crate::error::Result;
use crate::kubectl::kubectl;
use crate::paths;

/// The commit: a release's, once there is one.
const COMMIT: &str = include_str!("../../previous-version");

/// Installs that version into the running sandbox, with its own manifests and by its own code.
///
/// # Errors
/// This checkout does not have its history, or that version does not compile or does not get Ready.
pub fn install_previous() -> Result<()> {
    let commit = COMMIT.trim();
    let folder = paths::cache().join("previous").join(commit);
    if !folder.join("Cargo.toml").exists() {
        paths::make_folder(&folder)?;
        let archive = folder.join("source.tar");
        let mut git = command(&["git", "archive", "--output"]);
        run(git.arg(&archive).arg(commit).current_dir(paths::checkout()))?;
        run(command(&["tar", "--extract", "--file"]).arg(&archive).current_dir(&folder))?;
    }
    // An upgrade goes one way only: some of a Deployment's fields cannot be applied over newer ones.
    kubectl(&["delete", "deployment", "nagaya", "-n", NAMESPACE, "--ignore-not-found"])?;
    let words = ["run", "--locked", "--quiet", "--package", "e2e", "--bin", "install"];
    let mut install = cargo(&words);
    // Its programs beside ours would be built in turns.
    install.current_dir(&folder).env("CARGO_TARGET_DIR", paths::cache().join("target-previous"));
    output(&mut install).map(drop)
}
