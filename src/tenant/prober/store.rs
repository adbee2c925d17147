//! What was seen last of each tenant.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use nagaya_render::probe::{Eyesight, ProbeReport};

use super::super::TenantKey;

/// The last report of each tenant; cheap to read.
#[derive(Debug, Default)]
pub struct ProbeStore {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tenants: HashMap<TenantKey, Entry>,
    eyesight: Eyesight,
}

/// What was seen of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The last report.
    pub report: ProbeReport,
    /// Where the tenant was looked at ([`super::Target::place`]).
    pub place: Option<String>,
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
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.tenants.get(tenant).map(|entry| entry.seen.clone())
    }

    /// Whether the prober has to distrust its own eyes: see [`Eyesight::blind`].
    #[must_use]
    pub fn blind(&self) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).eyesight.blind()
    }

    /// Keeps a report; tells whose status it changes: the tenant's own if the report is another one than
    /// before, and that of everyone who cannot be reached if the prober has become blind or sees again.
    pub(super) fn put(&self, tenant: &TenantKey, seen: &Seen, established: bool) -> Vec<TenantKey> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let was_blind = inner.eyesight.blind();
        inner.eyesight.count(&seen.report, established);
        let entry = Entry { seen: seen.clone(), established };
        let before = inner.tenants.insert(tenant.clone(), entry);
        if let Some(before) = &before {
            inner.eyesight.discount(&before.seen.report, before.established);
        }
        let mut affected = Vec::new();
        if before.is_none_or(|before| before.seen != *seen) {
            affected.push(tenant.clone());
        }
        if inner.eyesight.blind() != was_blind {
            let others = inner
                .tenants
                .iter()
                .filter(|(key, entry)| *key != tenant && entry.seen.report.unreachable());
            affected.extend(others.map(|(key, _)| key.clone()));
        }
        affected
    }

    pub(super) fn remove(&self, tenant: &TenantKey) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = inner.tenants.remove(tenant) {
            inner.eyesight.discount(&gone.seen.report, gone.established);
        }
    }
}
