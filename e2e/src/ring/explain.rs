//! `kubectl nagaya explain`: this checkout's program as a plug-in of kubectl, as an operator has it.

use std::env;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::{Outcome, Tenant};
use crate::command::output;
use crate::{install, kubectl, paths};

impl Tenant<'_> {
    /// What it prints; the inner result is the program's exit.
    ///
    /// # Errors
    /// It does not compile.
    pub fn explained(&self) -> Outcome<Result<String, String>> {
        let mut command = plug_in(&["nagaya", "explain", &self.name, "-n", &self.project.name])?;
        Ok(output(&mut command).map_err(|error| error.to_string()))
    }
}

/// kubectl with words for the plug-in, not yet run.
///
/// # Errors
/// It does not compile.
pub(super) fn plug_in(words: &[&str]) -> Outcome<Command> {
    let folder = paths::state().join("plug-ins");
    paths::make_folder(&folder)?;
    let program = folder.join("kubectl-nagaya");
    if !program.exists() {
        symlink(install::build_manager()?, &program)?;
    }
    let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap_or_default());
    let mut command = kubectl::command(words)?;
    command.env("PATH", path);
    Ok(command)
}
