//! Whether the pods of this tenant may follow a new manager or new settings now. What decides is in
//! `nagaya_render::turns`; here is who the neighbours are.
//!
//! Only a tenant that has to wait looks at all others, once per pass.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use nagaya_api::{TenantCluster, TenantClusterStatus};
use nagaya_render::plane::PlaneObjects;
use nagaya_render::tenant::Tenant;
use nagaya_render::turns::{
    Neighbour, TemplateState, Templates, Turn, begun, has_arrived, may_follow, turn,
};
use nagaya_render::validate::manager_image;
use tokio::time::Instant;

use super::observe::Observed;
use crate::controllers::Context;
use crate::tenant::TenantKey;

/// One that has arrived keeps its place for so long: the prober looks at least every 10 s whether it really has.
const SOAK: Duration = Duration::from_secs(30);

/// What passes over different tenants tell each other.
#[derive(Default)]
pub struct Turns {
    /// Told to follow: a cache may not show it yet. With the time when it had arrived.
    granted: Mutex<BTreeMap<TenantKey, Option<Instant>>>,
    tenants: OnceLock<Store<TenantCluster>>,
}

impl Turns {
    /// Where all tenants are. Until then nobody is told to follow.
    pub fn know(&self, tenants: Store<TenantCluster>) {
        let _ = self.tenants.set(tenants);
    }

    /// A pass over `key` came to `status`.
    pub fn seen(&self, key: &TenantKey, status: &TenantClusterStatus) {
        if let Some(arrived) = self.lock().get_mut(key) {
            *arrived =
                has_arrived(&status.conditions).then(|| arrived.unwrap_or_else(Instant::now));
        }
    }

    /// The tenant is gone.
    pub fn forget(&self, key: &TenantKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantKey, Option<Instant>>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant with what may become of its templates; `rendered` is what it would have with them.
pub fn take_turn(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    tenant: &Tenant,
    rendered: &PlaneObjects,
    observed: &Observed,
    now: Timestamp,
) -> Tenant {
    let (record, revision) = (observed.planes.first(), context.revision.as_str());
    let templates = match turn(tenant, record, &observed.workloads, rendered, revision) {
        Turn::Free(templates) => return Tenant { templates, ..tenant.clone() },
        Turn::Begins(templates) => {
            context.turns.lock().insert(key.clone(), None);
            templates
        }
        Turn::Asks => match ask(context, raw, key, now) {
            Ok(templates) => templates,
            Err(why) => {
                let before = record.map(|record| record.templates.clone()).unwrap_or_default();
                let templates = Templates { state: TemplateState::Waiting(why), ..before };
                return Tenant { templates, ..tenant.clone() };
            }
        },
    };
    // Its pods are replaced anyway, and may need what only this manager's image can do.
    Tenant { templates, wait_image: manager_image(context.settings()), ..tenant.clone() }
}

/// One at a time looks, so that two do not take the same place.
fn ask(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    now: Timestamp,
) -> Result<Templates, String> {
    let mut granted = context.turns.lock();
    granted.retain(|_, arrived| arrived.is_none_or(|at| at.elapsed() < SOAK));
    let tenants = context.turns.tenants.get().map(Store::state).unwrap_or_default();
    let others = tenants.iter().filter(|other| other.uid().as_ref() != Some(&key.uid));
    let neighbours: Vec<Neighbour> = others
        .filter_map(|other| {
            let namespace = other.status.as_ref()?.control_plane_namespace.as_ref()?;
            let plane = context.caches.planes.get(&ObjectRef::new(namespace))?;
            let told = super::tenant_key(other).is_some_and(|key| granted.contains_key(&key));
            Neighbour::of(other, plane.annotations(), told, &context.revision)
        })
        .collect();
    let budget = usize::from(context.manager.config.manager.rollout_budget.get());
    may_follow(raw, &neighbours, budget, now)?;
    granted.insert(key.clone(), None);
    tracing::info!(tenant = %key, "its pods follow this manager and its settings");
    Ok(begun(&context.revision))
}
