//! All tenant connections: one per tenant, reused while the tenant's identity is unchanged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Dial, TenantConnection, TenantIdentity, TenantKey, TlsError};
use crate::leader::Fence;

/// The registry. It holds one connection per tenant that was not forgotten, and never more than its
/// limit: the one that was not asked for the longest gives way, and is opened again when asked for.
pub struct Connections {
    limit: usize,
    fence: Fence,
    dial: Arc<dyn Dial>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    clock: u64,
    open: HashMap<TenantKey, Open>,
}

struct Open {
    identity: TenantIdentity,
    client: kube::Client,
    last_asked: u64,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Connections {
    /// A registry of at most `limit` connections, at least one, made with `dial`, that write only as `fence` allows.
    #[must_use]
    pub fn new(limit: usize, fence: Fence, dial: Arc<dyn Dial>) -> Self {
        Self { limit: limit.max(1), fence, dial, inner: Mutex::default() }
    }

    /// The tenant's client. A changed identity opens a new connection; requests that run on the old
    /// one end undisturbed. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`TlsError`]: the identity cannot be used.
    pub fn client(
        &self,
        tenant: &TenantKey,
        identity: &TenantIdentity,
    ) -> Result<kube::Client, TlsError> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        if let Some(open) = inner.open.get_mut(tenant)
            && open.identity == *identity
        {
            open.last_asked = now;
            return Ok(open.client.clone());
        }
        let client = TenantConnection::open(identity, &self.fence, &self.dial)?;
        if !inner.open.contains_key(tenant) && inner.open.len() >= self.limit {
            inner.evict_the_idlest();
        }
        let open = Open { identity: identity.clone(), client: client.clone(), last_asked: now };
        inner.open.insert(tenant.clone(), open);
        Ok(client)
    }

    /// The tenant is gone: its connection ends as soon as nobody holds the client any more.
    pub fn forget(&self, tenant: &TenantKey) {
        self.lock().open.remove(tenant);
    }

    /// Number of connections held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether no connection is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and each change is a single insert or remove.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict_the_idlest(&mut self) {
        let idlest = self.open.iter().min_by_key(|(_, open)| open.last_asked);
        if let Some(key) = idlest.map(|(key, _)| key.clone()) {
            self.open.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{TestServer, over_tcp, reads_only};
    use super::*;

    fn tenant(name: &str) -> TenantKey {
        TenantKey {
            namespace: "project".to_owned(),
            name: name.to_owned(),
            uid: format!("uid of {name}"),
        }
    }

    impl Connections {
        fn holds(&self, name: &str) -> bool {
            self.lock().open.contains_key(&tenant(name))
        }
    }

    async fn ask(client: &kube::Client) {
        client.request_text(http::Request::get("/").body(Vec::new()).unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_tenant_keeps_its_connection_until_its_identity_changes() {
        let server = TestServer::start().await;
        let connections = Connections::new(10, reads_only(), over_tcp());
        let identity = server.identity();
        for _ in 0..3 {
            ask(&connections.client(&tenant("demo"), &identity).unwrap()).await;
        }
        assert_eq!(server.connections(), 1);
        let renewed = server.identity();
        ask(&connections.client(&tenant("demo"), &renewed).unwrap()).await;
        assert_eq!((server.connections(), connections.len()), (2, 1));
    }

    #[tokio::test]
    async fn tenants_do_not_share_a_connection() {
        let server = TestServer::start().await;
        let connections = Connections::new(10, reads_only(), over_tcp());
        let identity = server.identity();
        ask(&connections.client(&tenant("a"), &identity).unwrap()).await;
        ask(&connections.client(&tenant("b"), &identity).unwrap()).await;
        assert_eq!(server.connections(), 2);
        connections.forget(&tenant("a"));
        assert_eq!(connections.len(), 1);
    }

    #[tokio::test]
    async fn beyond_the_limit_the_one_not_asked_for_the_longest_gives_way() {
        let server = TestServer::start().await;
        let connections = Connections::new(2, reads_only(), over_tcp());
        let identity = server.identity();
        for name in ["a", "b", "a", "c"] {
            connections.client(&tenant(name), &identity).unwrap();
        }
        assert_eq!(connections.len(), 2);
        assert!(connections.holds("a") && connections.holds("c"));
    }
}
