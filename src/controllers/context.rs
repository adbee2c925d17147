//! What every controller is given, and what they tell each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::Client;
use nagaya_render::settings::Settings;
use nagaya_render::tenant::{Endpoint, Tenant};

use super::tenant_cluster::{Claims, Steps, Turns};
use crate::caches::Caches;
use crate::etcd::EtcdKeeper;
use crate::keyring::{Keyring, Keys};
use crate::kube_ops::{Backoff, Contests, Fingerprints};
use crate::limited::GatewayLimits;
use crate::startup::Manager;
use crate::tenant::{Connections, ContentKeeper, JoinProbe, Prober, TenantKey, TenantWatches};

/// Shared by all controllers.
pub struct Context {
    /// Clients, configuration, events and metrics.
    pub manager: Arc<Manager>,
    /// What the management cluster holds.
    pub caches: Caches,
    /// Keys and certificates.
    pub keyring: Keyring,
    /// One connection per tenant.
    pub connections: Connections,
    /// Members of etcd.
    pub etcd: EtcdKeeper,
    /// What a joining node would meet.
    pub prober: Prober<JoinProbe>,
    /// Nodes, their Leases, drift and certificate requests.
    pub watches: TenantWatches,
    /// Whom the gateway refuses.
    pub limits: GatewayLimits,
    /// The content of tenant clusters.
    pub content: ContentKeeper,
    /// Control planes that can be talked to.
    pub planes: Planes,
    /// Who follows a new manager or new settings.
    pub turns: Turns,
    /// Endpoints that tenants are about to take.
    pub claims: Claims,
    /// When each tenant was told of last.
    pub steps: Steps,
    /// Which manager with which settings this is.
    pub revision: String,
    /// Failures in a row.
    pub backoff: Backoff<TenantKey>,
    /// Objects that somebody undoes.
    pub contests: Contests<TenantKey>,
    /// By which a pass knows that it has seen all this before.
    pub fingerprints: Fingerprints,
}

impl Context {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.manager.clock.now()
    }

    /// What shapes control planes.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.manager.config.render
    }

    /// The tenant is gone: nothing of it is kept.
    pub fn forget(&self, tenant: &TenantKey) {
        self.content.forget(tenant);
        self.watches.forget(tenant);
        self.prober.forget(tenant);
        self.limits.forget(tenant);
        self.etcd.forget(tenant);
        self.connections.forget(tenant);
        self.keyring.forget(tenant);
        self.planes.forget(tenant);
        self.contests.forget(tenant);
        self.turns.forget(tenant);
        self.steps.forget(tenant);
        self.claims.forget(tenant);
    }
}

/// A control plane that can be talked to: what the controllers of tokens need of it.
#[derive(Clone)]
pub struct Plane {
    /// The tenant, validated.
    pub tenant: Tenant,
    /// Where nodes reach it.
    pub endpoint: Endpoint,
    /// Its keys.
    pub keys: Arc<Keys>,
    /// The manager's connection to it.
    pub client: Client,
}

/// The control planes that the last pass of their `TenantCluster` could talk to.
#[derive(Default)]
pub struct Planes(Mutex<HashMap<TenantKey, Arc<Plane>>>);

impl Planes {
    /// The plane of a tenant.
    #[must_use]
    pub fn get(&self, tenant: &TenantKey) -> Option<Arc<Plane>> {
        self.lock().get(tenant).cloned()
    }

    /// What the newest pass found.
    pub fn put(&self, tenant: TenantKey, plane: Plane) {
        self.lock().insert(tenant, Arc::new(plane));
    }

    fn forget(&self, tenant: &TenantKey) {
        self.lock().remove(tenant);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantKey, Arc<Plane>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
