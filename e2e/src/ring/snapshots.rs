//! A tenant's snapshots, taken by schedule, and the way back to one.

use std::time::Duration;

use serde_json::json;

use super::kubectl::{each, text};
use super::{Look, Outcome, Tenant, ensure, wait_until};

impl Tenant<'_> {
    /// The name of a snapshot that was begun from now on: the first new one may have been under way.
    ///
    /// # Errors
    /// There are not two new ones within that time.
    pub fn next_snapshot(&self, within: Duration) -> Outcome<String> {
        let names = || -> Outcome<Vec<String>> {
            let listed = self.status("/snapshots")?;
            Ok(each(&listed, "").map(|one| text(one, "/name").to_owned()).collect())
        };
        let before = names()?;
        let name = wait_until("two new snapshots are in the status", within, || {
            let now = names()?;
            let new = now.iter().filter(|name| !before.contains(name)).nth(1).cloned();
            Ok(Look::some(new, || format!("{now:?}; {:?}", self.condition("SnapshotsReady"))))
        })?;
        let taken = self.condition("SnapshotsReady")?;
        ensure(taken.status == "True", || format!("{taken:?}"))?;
        Ok(name)
    }

    /// Asks to go back to a snapshot.
    ///
    /// # Errors
    /// It is refused.
    pub fn restore_from(&self, snapshot: &str) -> Outcome {
        self.patch(&json!({"spec": {"restoreFrom": {"snapshot": snapshot}}}))
    }

    /// Waits until the control plane's namespace says that this snapshot is what it was made from.
    ///
    /// # Errors
    /// It does not within that time.
    pub fn await_restored(&self, snapshot: &str, within: Duration) -> Outcome {
        wait_until(&format!("{snapshot} is restored"), within, || {
            let plane = self.plane()?;
            let namespace = self.project.management.get(&["namespace", &plane])?;
            let from = text(&namespace, "/metadata/annotations/nagaya.dev~1restored-from");
            let progress = self
                .condition("Reconciling")
                .map_or_else(|failure| failure.to_string(), |reconciling| reconciling.message);
            Ok(Look::done_if(from == snapshot, || progress))
        })
    }
}
