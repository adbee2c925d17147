//! The certificates of one tenant as Secrets of its control-plane namespace: what exists, what is due,
//! what to mint. A pure plan: the caller reads and writes the Secrets and brings the clock.
//!
//! | file | what |
//! |---|---|
//! | `authority.rs` | the CAs and the service-account key: Secrets that are made once and never applied |
//! | `leaf.rs` | which leaf certificates there are, and what is in each |
//! | `leaf_secret.rs` | which Secret holds which of them |
//! | `plan.rs` | which leaves to write now, and when to look again |
//! | `expiry.rs` | when the first of them ends |
//! | `identity.rs` | the manager's own client certificates |
//! | `snapshot_client.rs` | the certificate with which a snapshot is taken |
//! | `tunnel_serving.rs` | which certificate the tunnel's server has to have read |
//! | `admin.rs` | the kubeconfig handed to the project |
//! | `secret_data.rs` | the keys of those Secrets |

mod admin;
mod authority;
mod expiry;
mod identity;
mod leaf;
mod leaf_secret;
mod plan;
pub(crate) mod secret_data;
mod snapshot_client;
mod tunnel_serving;

pub use admin::{
    ADMIN_KUBECONFIG, AdminKubeconfig, admin_secret_name, build_admin_kubeconfig,
    plan_admin_kubeconfig,
};
pub use authority::{Authorities, Authority, build_authority_secret, missing_authorities};
pub use expiry::first_expiry;
pub use identity::{mint_etcd_identity, mint_manager_identity};
pub use leaf::Leaf;
pub use leaf_secret::LeafSecret;
pub use plan::{LeafInputs, LeafPlan, plan_leaves};
pub use snapshot_client::build_snapshot_client;
pub use tunnel_serving::tunnel_certificate_digest;

/// Why a certificate could not be read, planned or made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A CA Secret is not there; [`missing_authorities`] names those to create.
    #[error("Secret {secret} is missing; it is created when the control plane is made")]
    AuthorityMissing {
        /// Name of the Secret.
        secret: &'static str,
    },
    /// A CA Secret lacks a key, or holds something else under it.
    #[error(
        "Secret {secret} has no readable key {key}; restore the Secret from a backup: a new CA would lock \
         out every node"
    )]
    AuthorityIncomplete {
        /// Name of the Secret.
        secret: &'static str,
        /// Key in its data.
        key: &'static str,
    },
    /// A CA Secret holds no CA, or a key that belongs to another one.
    #[error(
        "Secret {secret} cannot be used: {source}; restore it from a backup: a new CA would lock out \
         every node"
    )]
    AuthorityUnreadable {
        /// Name of the Secret.
        secret: &'static str,
        /// Why.
        source: nagaya_pki::Error,
    },
    /// A certificate, key or kubeconfig could not be made.
    #[error("{what} cannot be made: {source}")]
    Mint {
        /// What it was to become: the name of its Secret, or of the manager's identity.
        what: &'static str,
        /// Why.
        source: nagaya_pki::Error,
    },
}
