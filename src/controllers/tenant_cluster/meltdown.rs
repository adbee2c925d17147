//! Whether kube-controller-manager is to leave nodes alone: what it runs with, and what the Leases show, made into what is
//! rendered. Decided in `nagaya_render::meltdown`.

use jiff::Timestamp;
use nagaya_render::meltdown::cut_off;
use nagaya_render::tenant::Tenant;

use super::observe::Observed;
use crate::controllers::Context;
use crate::tenant::TenantKey;

/// The tenant, with what is to become of its nodes.
pub fn protect(
    context: &Context,
    key: &TenantKey,
    tenant: Tenant,
    observed: &Observed,
    now: Timestamp,
) -> Tenant {
    let running = running(observed);
    let cut_off_since = cut_off(running, context.watches.heartbeats(key), now);
    match (running, cut_off_since) {
        (None, Some(_)) => {
            tracing::warn!(tenant = %key, "all of its nodes are cut off");
        }
        (Some(since), None) => {
            tracing::info!(tenant = %key, %since, "its nodes are looked after again");
        }
        _ => {}
    }
    Tenant { cut_off_since, ..tenant }
}

/// The tenant as it runs, whatever the Leases show.
pub fn as_it_runs(tenant: &Tenant, observed: &Observed) -> Tenant {
    Tenant { cut_off_since: running(observed), ..tenant.clone() }
}

/// Whether kube-controller-manager has to be written now though other pods wait for their turn: nodes cannot wait.
pub fn is_urgent(tenant: &Tenant, observed: &Observed) -> bool {
    running(observed).is_some() != tenant.cut_off_since.is_some()
}

fn running(observed: &Observed) -> Option<Timestamp> {
    observed.workloads.controller_manager.as_ref()?.cut_off_since
}
