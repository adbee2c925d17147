//! What was seen last of each tenant.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use nagaya_render::probe::{ProbeReport, Sighting, blind};
use tokio::time::Instant;

use super::super::TenantKey;

/// The last report of each tenant; cheap to read.
#[derive(Debug, Default)]
pub struct ProbeStore {
    tenants: RwLock<HashMap<TenantKey, Entry>>,
}

/// What was seen of one tenant.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The last report.
    pub report: ProbeReport,
    /// When it was made.
    pub at: Instant,
}

#[derive(Debug)]
struct Entry {
    seen: Seen,
    established: bool,
}

impl ProbeStore {
    /// What was seen last; `None` before the first probe has ended.
    #[must_use]
    pub fn get(&self, tenant: &TenantKey) -> Option<Seen> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant).map(|entry| entry.seen.clone())
    }

    /// Whether the prober has to distrust its own eyes: see [`blind`].
    #[must_use]
    pub fn blind(&self) -> bool {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        blind(
            tenants.values().map(|entry| Sighting {
                report: &entry.seen.report,
                established: entry.established,
            }),
        )
    }

    /// Keeps a report; tells whether it differs from the one before.
    pub(super) fn put(
        &self,
        tenant: &TenantKey,
        report: ProbeReport,
        established: bool,
        at: Instant,
    ) -> bool {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let before = tenants.get(tenant);
        let changed = before.is_none_or(|entry| entry.seen.report != report);
        let entry = Entry { seen: Seen { report, at }, established };
        tenants.insert(tenant.clone(), entry);
        changed
    }

    pub(super) fn remove(&self, tenant: &TenantKey) {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}
