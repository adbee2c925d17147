//! Everything the manager does with a tenant's API server, over one pooled connection per tenant:
//!
//! | what | file |
//! |---|---|
//! | which tenant | `key.rs` |
//! | the connection, and the registry of all of them | `connection.rs`, `connections.rs`, `dial.rs`, `tls.rs` |
//! | what a stock `kubeadm join` would meet now | `probe.rs` |
//! | when each tenant is probed, and what was seen last | `prober.rs` |
//! | node count, Leases, drift and certificate requests, without a cache | `watches.rs` |
//! | which serving certificates a node may have | `approver.rs` |
//! | writing what kubeadm and nodes read, and when | `content.rs`, `content_keeper.rs` |

pub mod approver;
pub mod connection;
pub mod connections;
pub mod content;
pub mod content_keeper;
pub mod dial;
pub mod key;
pub mod probe;
pub mod prober;
#[cfg(test)]
mod test_server;
mod tls;
pub mod wakeups;
pub mod watches;

pub use connection::{TenantConnection, TenantIdentity};
pub use connections::Connections;
pub use content::Contents;
pub use content_keeper::{ContentKeeper, Wanted};
pub use dial::{Dial, Link, Tcp};
pub use key::TenantKey;
pub use probe::{JoinProbe, ProbeTarget, SignerView};
pub use prober::{ProbeStore, Prober};
pub use tls::TlsError;
pub(crate) use tls::{ClientCertificate, client_config};
pub use wakeups::{Wakeups, wakeups};
pub use watches::{Changes, ShownToken, TenantWatches};
