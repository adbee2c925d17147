//! Kubelets of a tenant's nodes: each renews its Lease every 10 s, by a clock that is decades behind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::memory_api::{Id, Kind, MemoryApi};

/// As kubelet has it by default.
const RENEWAL: Duration = Duration::from_secs(10);

/// The kubelets of one tenant; they end when dropped.
pub struct Kubelets {
    api: MemoryApi,
    connected: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Kubelets {
    /// These nodes join, and are Ready.
    pub fn join(api: &MemoryApi, names: &[&str]) -> Self {
        let connected = Arc::new(Mutex::new(BTreeSet::new()));
        for name in names {
            api.create(&json!({"kind": "Node", "metadata": {"name": name}})).unwrap();
            set_ready(api, name, true);
            let lease = json!({
                "kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 40},
            });
            api.create(&lease).unwrap();
            connected.lock().unwrap().insert((*name).to_owned());
        }
        let (renewed, by) = (api.clone(), Arc::clone(&connected));
        let task = tokio::spawn(async move {
            for round in 1.. {
                sleep(RENEWAL).await;
                for name in by.lock().unwrap().iter() {
                    let now = Timestamp::from_second(round).unwrap().to_string();
                    renewed.patch(&lease(name), &json!({"spec": {"renewTime": now}}));
                }
            }
        });
        Self { api: api.clone(), connected, task }
    }

    /// From now on only these reach the API server.
    pub fn connect(&self, names: &[&str]) {
        *self.connected.lock().unwrap() = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Somebody has found that a node is not Ready.
    pub fn lose(&self, name: &str) {
        set_ready(&self.api, name, false);
    }

    /// Somebody deletes a node, and with it goes its Lease.
    pub fn delete(&self, name: &str) {
        self.connected.lock().unwrap().remove(name);
        self.api.delete(&Id::new(Kind::named("Node"), "", name));
        self.api.delete(&lease(name));
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn set_ready(api: &MemoryApi, name: &str, ready: bool) {
    let status = if ready { "True" } else { "Unknown" };
    let conditions = json!({"conditions": [{"type": "Ready", "status": status}]});
    api.patch_status(&Id::new(Kind::named("Node"), "", name), &conditions);
}

fn lease(name: &str) -> Id {
    Id::new(Kind::named("Lease"), "kube-node-lease", name)
}
