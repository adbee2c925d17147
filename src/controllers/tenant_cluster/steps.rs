//! How often a tenant that is not Ready tells how far it is. Every part that comes up is a step, and each costs the
//! management cluster a write that nothing but people reads.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nagaya_api::{TenantCluster, TenantClusterStatus};
use nagaya_render::status::is_step;
use tokio::time::Instant;

use super::next_look::LOOK_AGAIN;
use crate::tenant::TenantKey;

/// When the status of each tenant was written last. A manager that has just started tells at once.
#[derive(Default)]
pub struct Steps(Mutex<HashMap<TenantKey, Instant>>);

impl Steps {
    /// How long the status of `raw` stays as it is, though it has come to `status`; `None`: it is written now.
    pub fn wait(
        &self,
        tenant: &TenantKey,
        raw: &TenantCluster,
        status: &TenantClusterStatus,
    ) -> Option<Duration> {
        let before = raw.status.as_ref().filter(|before| is_step(before, status));
        let told = before.and_then(|_| self.lock().get(tenant).copied())?;
        LOOK_AGAIN.checked_sub(told.elapsed()).filter(|left| !left.is_zero())
    }

    /// It has been written.
    pub fn told(&self, tenant: &TenantKey) {
        self.lock().insert(tenant.clone(), Instant::now());
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &TenantKey) {
        self.lock().remove(tenant);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantKey, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
