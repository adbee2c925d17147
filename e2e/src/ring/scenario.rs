//! One test: alone in the sandbox, in a project of its own, and nothing is left of it.

use super::{Failure, Outcome, Project, invariants, manager, report};
use crate::progress::step;
use crate::{lock, management, paths};

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
    // Tests share hosts' names, the manager and two cores.
    let _alone = lock::exclusive(&paths::state().join("ring.lock"))?;
    manager::require()?;
    let project = Project::create(&format!("ring-{name}"))?;
    let result = step(format!("scenario {name}"), || {
        work(&project)?;
        invariants::check(&project)
    });
    if result.is_err() {
        report::print(&project);
    }
    let cleaned = step(format!("clean up after {name}"), || project.remove());
    result.and(cleaned)
}
