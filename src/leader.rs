//! One manager works and the others stand by: election by a Lease, as in client-go's `tools/leaderelection`.
//!
//! | what | where |
//! |---|---|
//! | for how long this process may write | [`Term`] |
//! | refuses every write beyond it, at the bottom of each client | [`Fence`] |
//! | what follows from a Lease that was read; no clock, no I/O | [`election`] |
//! | takes, keeps and releases the Lease | [`Leadership`] |

pub mod election;
mod fence;
mod leadership;
mod term;

pub use fence::{Fence, Fenced, WriteRefused};
pub use leadership::{Leadership, Lost, NotConfirmed};
pub use term::{Clock, Term, boot_clock};

use std::time::Duration;

use nagaya_render::plane::names;

/// The Lease's name; its namespace is the manager's own.
pub const LEASE: &str = "nagaya-leader";
/// Where the manager runs if nobody says (`manifests/namespace.yaml`).
pub const DEFAULT_NAMESPACE: &str = names::MANAGER_NAMESPACE;

/// client-go's usual times. A standby takes over when the Lease has not changed for so long, …
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// … and the leader has stopped writing by then: so long after it sent its last renewal.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the leader renews, and a standby looks.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);
