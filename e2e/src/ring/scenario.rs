//! One test: in a project of its own, and nothing is left of it. Tests go side by side; one that ends the
//! manager has the sandbox to itself from then on.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use super::{Failure, Outcome, Project, invariants, manager, report};
use crate::error::IoContext;
use crate::progress::step;
use crate::{lock, management, paths};

/// This process's share in the sandbox. One lock for both kinds: the kernel turns one into the other, and
/// would have two of the same process wait for each other.
static SHARE: Mutex<Option<File>> = Mutex::new(None);

/// Runs a test in the project namespace `ring-NAME`, checks what holds after every test, and cleans
/// up. A failure is reported with what the clusters looked like.
///
/// # Errors
/// The sandbox is not up, the test fails, an invariant does not hold, or something stays behind.
pub fn scenario(name: &str, work: impl FnOnce(&Project) -> Outcome) -> Outcome {
    if !management::is_healthy() {
        return Err(Failure::new(
            "the sandbox is not up or not healthy; run `cargo run -q -p e2e --bin sandbox up` first",
        ));
    }
    take_share()?;
    let result = run(name, work);
    *SHARE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    result
}

fn run(name: &str, work: impl FnOnce(&Project) -> Outcome) -> Outcome {
    manager::require()?;
    let project = Project::create(&format!("ring-{name}"))?;
    let result = step(format!("scenario {name}"), || {
        work(&project)?;
        invariants::check(&project)
    });
    if result.is_err() {
        report::print(&project);
    }
    let cleaned = step(format!("clean up after {name}"), || project.clear());
    result.and(cleaned)
}

/// Whether the long form of a test is asked for (`make test-lifecycle`).
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("NAGAYA_RING_LONG").is_some()
}

/// Waits until no other test runs, and holds the others off until the scenario ends.
///
/// # Errors
/// The lock cannot be had, or no scenario runs.
pub fn alone() -> Outcome {
    let share = SHARE.lock().unwrap_or_else(PoisonError::into_inner);
    let file = share.as_ref().ok_or_else(|| Failure::new("alone() belongs in a scenario"))?;
    step("have the sandbox alone", || Ok(file.lock().on("lock", &path())?))
}

fn take_share() -> Outcome {
    let mut share = SHARE.lock().unwrap_or_else(PoisonError::into_inner);
    *share = Some(lock::shared(&path())?);
    Ok(())
}

fn path() -> std::path::PathBuf {
    paths::state().join("ring.lock")
}
