//! A stage as it was at one moment, to begin from again and again.

use super::Stage;
use crate::memory_api::MemoryApi;
use crate::world::MemoryEtcds;

/// One management cluster, and what is inside the tenant.
pub struct Picture {
    cluster: MemoryApi,
    inside: MemoryApi,
    etcds: MemoryEtcds,
}

impl Stage {
    /// As it is now.
    pub fn picture(&self) -> Picture {
        let cluster = self.planes.copy();
        let etcds = self.etcds.copy(&cluster);
        Picture { cluster, inside: self.inside.copy(), etcds }
    }

    /// Goes on from `picture`, with nodes and a manager that has just started.
    pub fn out_of(picture: &Picture) -> Self {
        let cluster = picture.cluster.copy();
        let etcds = picture.etcds.copy(&cluster);
        let mut stage = Self::set(cluster.clone(), cluster, picture.inside.copy(), etcds);
        stage.add_nodes();
        stage
    }
}
