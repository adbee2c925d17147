//! Locks between verbs that run at once: `up` and `down` want the sandbox for themselves, adding and
//! removing hosts go side by side.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::{IoContext, Result};
use crate::progress::say;
use crate::{interrupt, paths};

const PAUSE: Duration = Duration::from_millis(100);

/// Nobody else changes the sandbox until the result is dropped.
///
/// # Errors
/// The lock file cannot be opened, or the user interrupts the wait.
pub fn whole_sandbox() -> Result<File> {
    await_lock(File::try_lock)
}

/// Nobody makes or removes the sandbox as a whole until the result is dropped.
///
/// # Errors
/// The lock file cannot be opened, or the user interrupts the wait.
pub fn one_host() -> Result<File> {
    await_lock(File::try_lock_shared)
}

/// A lock on a file, for a short while.
///
/// # Errors
/// The lock file cannot be opened.
pub fn exclusive(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock().on("lock", path)?;
    Ok(file)
}

/// A lock on a file that others may hold at the same time, if they share it too.
///
/// # Errors
/// The lock file cannot be opened.
pub fn shared(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock_shared().on("lock", path)?;
    Ok(file)
}

fn await_lock(take: impl Fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
    let path = paths::state().join("sandbox.lock");
    let mut told = false;
    loop {
        interrupt::check()?;
        paths::make_folder(&paths::state())?;
        let file = open(&path)?;
        match take(&file) {
            // `down` removes the file with the rest: a lock on the old one holds nobody off.
            Ok(()) if is_the_one_at(&file, &path) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error).on("lock", &path),
            Err(TryLockError::WouldBlock) if !told => {
                say("waiting for another `sandbox` verb to end");
                told = true;
            }
            Ok(()) | Err(TryLockError::WouldBlock) => {}
        }
        thread::sleep(PAUSE);
    }
}

fn is_the_one_at(file: &File, path: &Path) -> bool {
    let there = std::fs::metadata(path).map(|file| file.ino()).ok();
    there.is_some() && there == file.metadata().map(|file| file.ino()).ok()
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).open(path).on("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_a_removed_file_is_not_taken_for_the_one_at_its_path() {
        let path = std::env::temp_dir().join(format!("lock-{}", std::process::id()));
        let file = exclusive(&path).unwrap();
        assert!(is_the_one_at(&file, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_the_one_at(&file, &path));
    }

    #[test]
    fn a_second_taker_of_an_exclusive_lock_is_held_off() {
        let path = std::env::temp_dir().join(format!("exclusive-{}", std::process::id()));
        let held = exclusive(&path).unwrap();
        assert!(matches!(open(&path).unwrap().try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(open(&path).unwrap().try_lock().is_ok());
        std::fs::remove_file(&path).unwrap();
    }
}
