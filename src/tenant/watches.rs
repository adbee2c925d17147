//! Narrow watches over a tenant's connection: how many nodes there are, which serving certificates are
//! asked for, and whether our own objects are still as we left them. Metadata only, and nothing of the
//! tenant's is kept but counts.

use super::{TenantKey, Wakeups};

/// The watches of every tenant.
#[derive(Debug)]
pub struct TenantWatches {
    _wakeups: Wakeups,
}

impl TenantWatches {
    /// Watches that wake through `wakeups` when the number of nodes changes or one of our objects does.
    #[must_use]
    pub fn new(wakeups: Wakeups) -> Self {
        Self { _wakeups: wakeups }
    }

    /// Starts to watch a tenant, or goes on over another client. Must be called inside a tokio runtime.
    pub fn watch(&self, _tenant: &TenantKey, _client: &kube::Client) {}

    /// The tenant is gone: its watches end.
    pub fn forget(&self, _tenant: &TenantKey) {}

    /// Number of nodes; `None` before the first answer.
    #[must_use]
    pub fn nodes(&self, _tenant: &TenantKey) -> Option<i32> {
        None
    }

    /// Changes whenever one of our objects in the tenant was changed or deleted: when it differs from
    /// the value before the last [`super::apply::apply_content`], that has to run again.
    #[must_use]
    pub fn drift(&self, _tenant: &TenantKey) -> u64 {
        0
    }
}
