//! The programs that kubeadm wants, and what two of them say they are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

use crate::version::Version;

/// Where a login of root looks, if nothing says where.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// `addExecChecks` of kubeadm from 1.32 on.
const WANTED: [&str; 3] = ["losetup", "mount", "cp"];

/// Those that are not there.
pub fn missing(root: &Path) -> Vec<&'static str> {
    WANTED.into_iter().filter(|name| find(root, name).is_none()).collect()
}

/// What a program answers to these words.
///
/// # Errors
/// It is not there, does not start, or says something else.
pub fn version(root: &Path, name: &str, words: &[&str]) -> Result<Version, String> {
    let program = find(root, name).ok_or_else(|| format!("{name} is not on the path"))?;
    let output = Command::new(&program).args(words).stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| format!("{} does not start: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    said.trim().parse().map_err(|()| {
        let words = if said.trim().is_empty() { error.trim() } else { said.trim() };
        format!("{} does not say its version, but: {words}", program.display())
    })
}

fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| PATH.into());
    env::split_paths(&path)
        .map(|folder| root.join(folder.strip_prefix("/").unwrap_or(&folder)).join(name))
        .find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}
