//! The manager: everything that talks to a cluster, to a tenant or to the operating system.
//!
//! What a spec means, and which objects follow from it, is decided in `nagaya-render`, which can do
//! neither. In reading order:
//!
//! | what | module |
//! |---|---|
//! | the verbs of the command line | [`cli`] |
//! | every setting | [`config`] |
//! | wiring it all together | [`startup`] |
//! | which of several managers works | [`leader`] |
//! | one reconcile after another | [`controllers`] |
//! | what the management cluster holds, watched | [`caches`] |
//! | keys and certificates, and their Secrets | [`keyring`] |
//! | a tenant's etcd: its members, and what becomes of them | [`etcd`] |
//! | a tenant's own API server: probing, watching, approving | [`tenant`] |
//! | whom the gateway refuses | [`limited`] |
//! | the verbs that everything on Kubernetes is made of | [`kube_ops`] |
//! | the process itself | [`clock`], [`server`], [`readiness`], [`metrics`], [`telemetry`] |
//! | small programs in the same binary | [`wait`], [`admit_member`], [`snapshot`], [`explain`], [`doctor`], [`crds`] |

pub mod admit_member;
pub mod caches;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controllers;
pub mod crds;
pub mod doctor;
pub mod etcd;
pub mod explain;
pub mod keyring;
pub mod kube_ops;
pub mod leader;
pub mod limited;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod snapshot;
pub mod startup;
pub mod telemetry;
pub mod tenant;
pub mod wait;
