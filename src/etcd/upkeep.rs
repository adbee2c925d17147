//! What this manager has done for the room in one etcd. Lost with the manager, which costs a compaction that finds
//! nothing and a pause that is too short.

use std::collections::BTreeMap;

use nagaya_render::membership::{Attempt, Space, Step};
use tokio::time::Instant;

use super::Look;

/// What was done, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Upkeep {
    compacted: u64,
    /// By ordinal: when the last defragmentation ended, and whether it failed.
    defragmented: BTreeMap<u8, (Instant, bool)>,
}

impl Upkeep {
    /// What the next step depends on; `around`: what only the reconcile knows.
    pub(super) fn space(&self, look: &Look, around: &Space) -> Space {
        let attempt = |(ordinal, (ended, failed)): (&u8, &(Instant, bool))| Attempt {
            ordinal: *ordinal,
            ago: ended.elapsed(),
            failed: *failed,
        };
        Space {
            stores: look.stores.clone(),
            full: look.no_space,
            revision: look.revision,
            compacted: self.compacted,
            attempts: self.defragmented.iter().map(attempt).collect(),
            ..around.clone()
        }
    }

    /// A step is over.
    pub(super) fn note(&mut self, step: &Step, failed: bool) {
        match step {
            Step::Compact { revision } if !failed => self.compacted = *revision,
            Step::Defragment { ordinal } => {
                self.defragmented.insert(*ordinal, (Instant::now(), failed));
            }
            _ => {}
        }
    }
}
