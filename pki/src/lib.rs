//! Certificates, keys, bootstrap tokens and kubeconfigs in exactly the forms that kubeadm and the
//! Kubernetes components read.
//!
//! Pure: no I/O, no Kubernetes client, no clock. Every function that depends on time takes `now`;
//! the only thing taken from the machine is randomness. One file per noun:
//!
//! | noun | file |
//! |---|---|
//! | [`CertificateAuthority`] | `certificate_authority.rs` |
//! | [`LeafRequest`], [`Leaf`], [`Usage`] | `leaf.rs` |
//! | [`CertificateInfo`] | `certificate_info.rs` |
//! | [`ca_cert_hashes`], what `--discovery-token-ca-cert-hash` pins | `ca_cert_hash.rs` |
//! | [`PrivateKey`] | `private_key.rs` |
//! | [`ServiceAccountKey`] | `service_account_key.rs` |
//! | [`BootstrapToken`] | `bootstrap_token.rs` |
//! | [`jws`], the signature on cluster-info | `jws.rs` |
//! | [`Kubeconfig`] | `kubeconfig.rs` |
//!
//! Every key is ECDSA P-256: kubelet's own default, and the service-account signer knows no Ed25519.

mod bootstrap_token;
mod ca_cert_hash;
mod certificate_authority;
mod certificate_info;
mod error;
pub mod jws;
mod kubeconfig;
mod leaf;
mod pem_certificates;
mod private_key;
mod random;
mod service_account_key;
mod validity;

pub use bootstrap_token::{BootstrapToken, BootstrapTokenError};
pub use ca_cert_hash::ca_cert_hashes;
pub use certificate_authority::CertificateAuthority;
pub use certificate_info::CertificateInfo;
pub use error::Error;
pub use kubeconfig::{Kubeconfig, Trust};
pub use leaf::{Leaf, LeafRequest, Usage};
pub use private_key::PrivateKey;
pub use service_account_key::ServiceAccountKey;
