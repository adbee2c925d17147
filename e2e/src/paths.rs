//! Where the sandbox keeps things: the cache (kept, keyed by content) and the state (gone after `down`).

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};

/// Built components and assembled images: `NAGAYA_CACHE`, else `~/.cache/nagaya`.
#[must_use]
pub fn cache() -> PathBuf {
    let home = || env::home_dir().unwrap_or_else(|| PathBuf::from("/root"));
    given("NAGAYA_CACHE").unwrap_or_else(|| home().join(".cache/nagaya"))
}

/// The running sandbox: `NAGAYA_STATE`, else `/var/lib/nagaya/sandbox`.
#[must_use]
pub fn state() -> PathBuf {
    given("NAGAYA_STATE").unwrap_or_else(|| "/var/lib/nagaya/sandbox".into())
}

/// A folder from the environment, whole: hosts are found by it from other working folders.
fn given(variable: &str) -> Option<PathBuf> {
    let folder = env::var_os(variable).filter(|folder| !folder.is_empty())?;
    std::path::absolute(folder).ok()
}

/// Everything of one host.
#[must_use]
pub fn host(name: &str) -> PathBuf {
    state().join("hosts").join(name)
}

/// The management cluster's admin kubeconfig; its server answers inside the sandbox's network only.
#[must_use]
pub fn kubeconfig() -> PathBuf {
    state().join("kubeconfig")
}

/// The folder of this checkout. Cargo, where it runs us, knows better than the compiler did: a checkout
/// that shares its build cache with another runs the other's programs while their text is the same.
#[must_use]
pub fn checkout() -> PathBuf {
    let ours = env::var("CARGO_PKG_NAME").is_ok_and(|package| package == env!("CARGO_PKG_NAME"));
    let now = env::var_os("CARGO_MANIFEST_DIR").filter(|_| ours);
    let mut folder = now.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    folder.pop();
    folder
}

/// The pinned Go modules, a folder per product and minor.
#[must_use]
pub fn components() -> PathBuf {
    checkout().join("e2e/components")
}

/// Makes a folder with its parents.
///
/// # Errors
/// The folder cannot be made.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).on("create", path)
}

/// Removes a folder with all in it; one that is not there is as good.
///
/// # Errors
/// Something in it cannot be removed.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).on("remove", path),
        _ => Ok(()),
    }
}

/// Writes a file so that a reader sees the old or the new content, never a part.
///
/// # Errors
/// The file cannot be written.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    std::fs::write(&draft, content).on("write", &draft)?;
    std::fs::rename(&draft, path).on("replace", path)
}

/// Reads a text file.
///
/// # Errors
/// The file cannot be read.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).on("read", path)
}
