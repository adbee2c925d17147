//! What the gateway answers at `/limited.json` on its operator's port, and the manager reads there.

use serde::{Deserialize, Serialize};

/// The path of it.
pub const LIMITED_PATH: &str = "/limited.json";

/// What one replica of the gateway refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedRoutes {
    /// The host name of the replica, which in a pod is the pod's.
    pub gateway: String,
    /// Limits by which it refused a connection within the last minute.
    pub limited: Vec<LimitedRoute>,
}

/// A limit of one Service that was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedRoute {
    /// Namespace of the Service: a control plane's.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// [`TOO_MANY_CONNECTIONS`](crate::reasons::TOO_MANY_CONNECTIONS),
    /// [`CONNECTIONS_TOO_FAST`](crate::reasons::CONNECTIONS_TOO_FAST), or one that a later gateway has.
    pub reason: String,
    /// How much it might have when it was refused: connections, or new ones a second.
    pub most: u32,
}
