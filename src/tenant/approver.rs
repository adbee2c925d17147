//! Which serving certificates a node may have: its own name, its own addresses, nothing else.
//!
//! Nobody in Kubernetes approves requests for `kubernetes.io/kubelet-serving`. The rule is Gardener's
//! (`pkg/resourcemanager/controller/csrapprover`), and of Kubernetes itself
//! (`pkg/apis/certificates/helpers.go`, `ValidateKubeletServingCSR`).

mod request;

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::certificates::v1::CertificateSigningRequestSpec;

pub use request::{CertificateRequest, RequestError};

/// Signer of the certificates that kubelets serve with.
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// Prefix of a node's user name.
pub const NODE_USER_PREFIX: &str = "system:node:";

/// What is known of the node that a request is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddresses {
    /// DNS names and host name in `status.addresses`.
    pub names: BTreeSet<String>,
    /// IP addresses in `status.addresses`.
    pub addresses: BTreeSet<IpAddr>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The node may have it.
    Approve,
    /// Look again soon: the node has not said yet what its addresses are.
    Wait(String),
    /// The node may not have it; why.
    Deny(String),
    /// Not for us to judge.
    Ignore,
}

/// Judges a request. `node` is `None` when no node of the requestor's name exists.
#[must_use]
pub fn review(_csr: &CertificateSigningRequestSpec, _node: Option<&NodeAddresses>) -> Decision {
    Decision::Ignore
}
