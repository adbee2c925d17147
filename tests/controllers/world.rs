//! Plays the other controllers of a management cluster: what happens to an object after Nagaya has made it.
//!
//! | who | file |
//! |---|---|
//! | the controllers of StatefulSets and Deployments, and kubelet | `world/workloads.rs` |
//! | the controller of Jobs, and what snapshots do | `world/jobs.rs` |
//! | the tenant's own API server | `world/tenant.rs` |
//! | its controllers that sign | `world/signers.rs` |
//! | kubelets of the tenant's own nodes | `world/kubelets.rs` |
//! | the members of etcd | `world/etcd.rs` |
//! | the gateway | `world/gateway.rs` |
//! | what is between the manager and the tenants | `world/network.rs` |
//! | the namespace controller and the garbage collector | `world/removal.rs` |

mod etcd;
mod gateway;
mod jobs;
mod kubelets;
mod network;
mod removal;
mod signers;
mod tenant;
mod workloads;

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::memory_api::{Id, Kind, MemoryApi};
pub use etcd::{EtcdsOf, MemoryEtcds};
pub use gateway::{ADMIN, GatewayPod};
pub use kubelets::Kubelets;
pub use network::Network;
use removal::Removal;
use tenant::Tenant;

/// How often the world looks whether something has changed.
const TICK: Duration = Duration::from_millis(200);

/// The world; ends when dropped.
pub struct World {
    network: Network,
    removal: JoinHandle<()>,
    planes: Vec<JoinHandle<()>>,
}

impl World {
    /// Removes what is deleted, starts nothing: nodes are missing.
    pub fn without_nodes(api: &MemoryApi, network: Network) -> Self {
        let (api, mut removal) = (api.clone(), Removal::default());
        let task = tokio::spawn(async move {
            let mut known = 0;
            loop {
                let waiting = known == api.version() && !removal.is_busy();
                if !waiting {
                    known = api.version();
                    removal.tick(&api);
                }
                sleep(TICK).await;
            }
        });
        Self { network, removal: task, planes: Vec::new() }
    }

    /// From now on pods start, and get ready. Once its kube-apiserver is, the plane in `namespace` serves
    /// `tenant`.
    pub fn add_nodes(&mut self, planes: &MemoryApi, namespace: &str, tenant: &MemoryApi) {
        let (planes, namespace, api) = (planes.clone(), namespace.to_owned(), tenant.clone());
        let network = self.network.clone();
        self.planes.push(tokio::spawn(async move {
            let mut serving: Option<Tenant> = None;
            let mut known = (0, 0);
            let mut plane = None;
            loop {
                sleep(TICK).await;
                if known == (planes.version(), api.version()) {
                    continue;
                }
                known = (planes.version(), api.version());
                let now = uid(&planes, &namespace);
                if plane.is_some() && plane != now {
                    // Its volumes went with the namespace.
                    serving = None;
                    api.wipe();
                }
                plane = now;
                workloads::tick(&planes);
                jobs::tick(&planes);
                let ready = workloads::is_serving(&planes, &namespace, "kube-apiserver");
                match &mut serving {
                    Some(tenant) if ready => {
                        tenant.follow(&network, &planes, &namespace);
                        signers::tick(&api, || {
                            planes.get("Secret", &namespace, "client-ca-1").unwrap()
                        });
                    }
                    None if ready => {
                        serving = Tenant::start(&network, &planes, &namespace, &api);
                    }
                    _ => serving = None,
                }
            }
        }));
    }

    /// The plane that was added as number `number` serves nobody any more. Its pods do not notice.
    pub fn remove_nodes(&mut self, number: usize) {
        self.planes[number].abort();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.removal.abort();
        for task in &self.planes {
            task.abort();
        }
    }
}

/// Of a namespace, if it is there.
fn uid(api: &MemoryApi, namespace: &str) -> Option<String> {
    let found = api.get("Namespace", "", namespace)?;
    found["metadata"]["uid"].as_str().map(str::to_owned)
}

fn id_of(object: &Value) -> Id {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    Id::new(Kind::named(object["kind"].as_str().unwrap()), text("namespace"), text("name"))
}

fn is_ending(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}
