//! `kubectl nagaya explain`: this checkout's program as a plug-in of kubectl, as an operator has it.

use std::env;
use std::os::unix::fs::symlink;

use super::{Outcome, Tenant};
use crate::command::output;
use crate::{install, kubectl, paths};

impl Tenant<'_> {
    /// What it prints; the inner result is the program's exit.
    ///
    /// # Errors
    /// It does not compile.
    pub fn explained(&self) -> Outcome<Result<String, String>> {
        let folder = paths::state().join("plug-ins");
        paths::make_folder(&folder)?;
        let plug_in = folder.join("kubectl-nagaya");
        if !plug_in.exists() {
            symlink(install::build_manager()?, &plug_in)?;
        }
        let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap_or_default());
        let words = ["nagaya", "explain", &self.name, "-n", &self.project.name];
        let mut command = kubectl::command(&words)?;
        Ok(output(command.env("PATH", path)).map_err(|error| error.to_string()))
    }
}
