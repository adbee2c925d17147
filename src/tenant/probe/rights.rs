//! When the rights of a bootstrap token are looked at: by each look until all is well, and again when something has
//! happened to what they rest on. Whatever Nagaya has written into a tenant is watched (`tenant/watches/drift.rs`), so
//! that asking eight questions every few seconds would only say what is known; what nobody watches, such as the
//! `ClusterRole`s that kube-apiserver makes itself, is found once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nagaya_render::minors::KubernetesVersion;
use tokio::time::Instant;

use super::ProbeTarget;
use super::bootstrap_rights::{self, BootstrapRights};
use crate::tenant::{Changes, TenantKey};

/// What was found well is looked at again after this, whatever the watches say.
const FRESH_FOR: Duration = Duration::from_mins(1);

/// What is known of all tenants.
#[derive(Debug, Default)]
pub(super) struct Rights(Mutex<HashMap<TenantKey, FoundWell>>);

/// All was well at a time.
#[derive(Debug)]
struct FoundWell {
    since: Instant,
    basis: Basis,
}

/// What has to be the same for that to hold.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    /// `None`: nobody watches.
    changes: Option<u64>,
    api_servers: String,
    version: KubernetesVersion,
}

impl Basis {
    fn of(target: &ProbeTarget) -> Self {
        Self {
            changes: target.changes.as_ref().map(Changes::count),
            api_servers: target.api_servers.clone(),
            version: target.version,
        }
    }
}

impl Rights {
    /// Whether all was found well not long ago, and nothing has happened since.
    pub(super) fn hold(&self, target: &ProbeTarget) -> bool {
        self.lock().get(&target.tenant).is_some_and(|well| well.holds(&Basis::of(target)))
    }

    /// What is found now.
    pub(super) async fn look(&self, target: &ProbeTarget) -> BootstrapRights {
        let basis = Basis::of(target);
        let found = bootstrap_rights::look(target).await;
        if found == BootstrapRights::WELL {
            let well = FoundWell { since: Instant::now(), basis };
            self.lock().insert(target.tenant.clone(), well);
        } else {
            self.forget(&target.tenant);
        }
        found
    }

    /// The tenant is gone.
    pub(super) fn forget(&self, tenant: &TenantKey) {
        self.lock().remove(tenant);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantKey, FoundWell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FoundWell {
    fn holds(&self, now: &Basis) -> bool {
        now.changes.is_some() && self.basis == *now && self.since.elapsed() < FRESH_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_api::Api;
    use super::*;

    /// How many requests the next look costs, as [`super::super::JoinProbe`] goes about it.
    async fn requests(rights: &Rights, api: &Api, target: &ProbeTarget) -> usize {
        let before = api.seen.lock().unwrap().len();
        if !rights.hold(target) {
            rights.look(target).await;
        }
        api.seen.lock().unwrap().len() - before
    }

    fn watched(api: &Api) -> ProbeTarget {
        ProbeTarget { changes: Some(Changes::default()), ..api.target() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_well_is_asked_again_after_a_change_or_a_minute() {
        let (rights, api) = (Rights::default(), Api::default());
        let target = watched(&api);
        let all = requests(&rights, &api, &target).await;
        assert_eq!(all, 8);
        assert_eq!(requests(&rights, &api, &target).await, 0);
        target.changes.as_ref().unwrap().note();
        assert_eq!(requests(&rights, &api, &target).await, all);
        assert_eq!(requests(&rights, &api, &target).await, 0);
        tokio::time::advance(FRESH_FOR).await;
        assert_eq!(requests(&rights, &api, &target).await, all);
        let another = ProbeTarget { api_servers: "2".to_owned(), ..target };
        assert_eq!(requests(&rights, &api, &another).await, all);
        rights.forget(&another.tenant);
        assert_eq!(requests(&rights, &api, &another).await, all);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_well_or_not_watched_is_asked_each_time() {
        let rights = Rights::default();
        let ill = Api { denied: ["get nodes"].into(), ..Api::default() };
        for (api, target) in
            [(ill.clone(), watched(&ill)), (Api::default(), Api::default().target())]
        {
            for _ in 0..2 {
                rights.look(&target).await;
                assert!(!rights.hold(&target), "{:?}", api.denied);
            }
        }
    }
}
