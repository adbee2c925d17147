//! Which control planes there are, as the management cluster shows them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::Options;
use crate::memory_api::MemoryApi;

/// What kube-apiserver makes for itself.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// One control plane.
pub struct Plane {
    pub tenant: String,
    /// Takes connections and says nothing.
    pub silent: bool,
    /// What is in its API server.
    pub api: MemoryApi,
    /// How often a machine that wants to join has asked since the last order to count.
    pub discovered: AtomicU64,
    /// What its controllers that sign have looked at.
    pub signed: AtomicU64,
    /// Its pod of kube-apiserver is ready.
    pub ready: AtomicBool,
    /// Cancelled when it is to be dead.
    pub dead: CancellationToken,
    parts: Mutex<Parts>,
}

/// What comes one after the other.
#[derive(Default)]
struct Parts {
    api_server: Option<Arc<ServerConfig>>,
    etcd: Option<Arc<ServerConfig>>,
    client_ca: Option<Arc<Value>>,
    /// Its NodePort, and the task that serves it.
    public: Option<(u16, AbortHandle)>,
}

impl Plane {
    fn new(tenant: &str, silent: bool) -> Self {
        let api = MemoryApi::default();
        for name in NAMESPACES {
            api.create(&json!({"kind": "Namespace", "metadata": {"name": name}}));
        }
        Self {
            tenant: tenant.to_owned(),
            silent,
            api,
            discovered: AtomicU64::default(),
            signed: AtomicU64::default(),
            ready: AtomicBool::default(),
            dead: CancellationToken::new(),
            parts: Mutex::default(),
        }
    }

    /// How its API server shows itself; `None`: it does not run.
    pub fn api_server(&self) -> Option<Arc<ServerConfig>> {
        let runs = self.ready.load(Ordering::Relaxed) && !self.dead.is_cancelled();
        self.parts().api_server.clone().filter(|_| runs)
    }

    pub fn etcd(&self) -> Option<Arc<ServerConfig>> {
        self.parts().etcd.clone()
    }

    pub fn client_ca(&self) -> Option<Arc<Value>> {
        self.parts().client_ca.clone()
    }

    pub fn set_api_server(&self, tls: Arc<ServerConfig>) {
        self.parts().api_server = Some(tls);
    }

    pub fn set_etcd(&self, tls: Arc<ServerConfig>) {
        self.parts().etcd = Some(tls);
    }

    pub fn set_client_ca(&self, secret: Value) {
        self.parts().client_ca = Some(Arc::new(secret));
    }

    /// Whether it is served at that NodePort already.
    pub fn is_public_at(&self, port: u16) -> bool {
        self.parts().public.as_ref().is_some_and(|(served, _)| *served == port)
    }

    /// Instead of the task before.
    pub fn set_public(&self, port: u16, task: AbortHandle) {
        if let Some((_, before)) = self.parts().public.replace((port, task)) {
            before.abort();
        }
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.dead.cancel();
    }
}

/// All control planes.
pub struct Planes {
    pub options: Options,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    by_namespace: HashMap<String, Arc<Plane>>,
    by_cluster_ip: HashMap<Ipv4Addr, String>,
}

impl Planes {
    pub fn new(options: Options) -> Self {
        Self { options, all: Mutex::default() }
    }

    /// The plane in `namespace`, new if need be.
    pub fn plane(&self, namespace: &str, tenant: &str) -> Arc<Plane> {
        let silent = tenant.starts_with(&self.options.silent);
        let mut all = self.all();
        let new = || Arc::new(Plane::new(tenant, silent));
        Arc::clone(all.by_namespace.entry(namespace.to_owned()).or_insert_with(new))
    }

    pub fn get(&self, namespace: &str) -> Option<Arc<Plane>> {
        self.all().by_namespace.get(namespace).cloned()
    }

    /// Whose Service has the address.
    pub fn at(&self, cluster_ip: Ipv4Addr) -> Option<Arc<Plane>> {
        let all = self.all();
        all.by_namespace.get(all.by_cluster_ip.get(&cluster_ip)?).cloned()
    }

    pub fn set_cluster_ip(&self, namespace: &str, address: Ipv4Addr) {
        self.all().by_cluster_ip.insert(address, namespace.to_owned());
    }

    pub fn every(&self) -> Vec<Arc<Plane>> {
        self.all().by_namespace.values().cloned().collect()
    }

    /// Something of it that every plane has is gone: so is all of it.
    pub fn remove(&self, namespace: &str) {
        let mut all = self.all();
        all.by_cluster_ip.retain(|_, of| of != namespace);
        if let Some(plane) = all.by_namespace.remove(namespace) {
            plane.dead.cancel();
            if let Some((_, task)) = plane.parts().public.take() {
                task.abort();
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
