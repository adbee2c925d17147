//! Which serving certificates a node may have: its own name, its own addresses, nothing else.
//!
//! Nobody in Kubernetes approves requests for `kubernetes.io/kubelet-serving`. The rule is Gardener's
//! (`pkg/resourcemanager/controller/csrapprover`) on top of Kubernetes' own form for such requests
//! (`pkg/apis/certificates/helpers.go`, `ValidateKubeletServingCSR`).

mod request;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequestSpec;
use k8s_openapi::api::core::v1::Node;

pub use request::{CertificateRequest, RequestError};

/// Signer of the certificates that kubelets show to the API server.
pub const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Signer of the certificates that kubelets serve with.
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// Prefix of a node's user name.
const NODE_USER_PREFIX: &str = "system:node:";
/// Characters of a node's name, a DNS subdomain (RFC 1123).
const LONGEST_NAME: usize = 253;
/// Group of every node.
const NODES_GROUP: &str = "system:nodes";
/// Usages of such a certificate; `key encipherment` may be added (only RSA needs it).
const USAGES: [&str; 2] = ["digital signature", "server auth"];
/// A node may ask before it has told the API server its addresses; after this it is denied, and asks
/// again.
const PATIENCE: Duration = Duration::from_secs(15);

/// What `status.addresses` of a node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddresses {
    /// Host names and DNS names.
    pub names: BTreeSet<String>,
    /// IP addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The node may have it.
    Approve,
    /// Look again soon: the node has not said yet that these are its addresses.
    Wait,
    /// The node may not have it, and why.
    Deny(String),
    /// Not for us to judge.
    Ignore,
}

impl NodeAddresses {
    /// As the kubelet turns them into names of its certificate (`pkg/kubelet/certificate/kubelet.go`,
    /// `addressesToHostnamesAndIPs`): a host name may be an IP address.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let mut found = Self::default();
        let addresses = node.status.as_ref().and_then(|status| status.addresses.as_ref());
        for address in addresses.into_iter().flatten() {
            match address.address.parse() {
                Ok(ip) => found.addresses.insert(ip),
                Err(_) => found.names.insert(address.address.clone()),
            };
        }
        found
    }
}

/// The node that a user is, if its name is one that a node can have: it becomes part of a path.
#[must_use]
pub fn node_name(user: &str) -> Option<&str> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    user.strip_prefix(NODE_USER_PREFIX)
        .filter(|name| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed))
        .filter(|name| !name.starts_with('.'))
}

/// Judges a request that is `age` old. `node` is `None` when no node of the requestor's name exists.
#[must_use]
pub fn review(
    csr: &CertificateSigningRequestSpec,
    node: Option<&NodeAddresses>,
    age: Duration,
) -> Decision {
    if csr.signer_name != KUBELET_SERVING {
        return Decision::Ignore;
    }
    let judged = CertificateRequest::parse(&csr.request.0)
        .map_err(|error| error.to_string())
        .and_then(|request| check_form(csr, &request).map(|()| request));
    let request = match judged {
        Ok(request) => request,
        Err(why) => return Decision::Deny(why),
    };
    match check_addresses(&request, node) {
        Ok(()) => Decision::Approve,
        Err(_) if age < PATIENCE => Decision::Wait,
        Err(why) => Decision::Deny(why),
    }
}

/// What can be told from the request alone, and never becomes true by waiting.
fn check_form(
    csr: &CertificateSigningRequestSpec,
    request: &CertificateRequest,
) -> Result<(), String> {
    let user = csr.username.as_deref().unwrap_or_default();
    if node_name(user).is_none() {
        return Err(format!("only a node may ask for it, and {user:?} is not one"));
    }
    if !csr.groups.iter().flatten().any(|group| group == NODES_GROUP) {
        return Err(format!("{user:?} is not in the group {NODES_GROUP}"));
    }
    if request.common_names != [user] {
        return Err(format!("the common name has to be {user:?}, not {:?}", request.common_names));
    }
    if request.organizations != [NODES_GROUP] {
        return Err(format!(
            "the organization has to be {NODES_GROUP} alone, not {:?}",
            request.organizations
        ));
    }
    check_usages(csr.usages.as_deref().unwrap_or_default())?;
    if request.other_names {
        return Err("only DNS names and IP addresses may be asked for".to_owned());
    }
    if request.dns_names.is_empty() && request.ip_addresses.is_empty() {
        return Err("at least one DNS name or IP address has to be asked for".to_owned());
    }
    Ok(())
}

fn check_usages(usages: &[String]) -> Result<(), String> {
    let asked: BTreeSet<&str> =
        usages.iter().map(String::as_str).filter(|usage| *usage != "key encipherment").collect();
    if asked == BTreeSet::from(USAGES) {
        return Ok(());
    }
    Err(format!(
        "the usages have to be {USAGES:?}, with or without key encipherment, not {usages:?}"
    ))
}

fn check_addresses(
    request: &CertificateRequest,
    node: Option<&NodeAddresses>,
) -> Result<(), String> {
    let node = node.ok_or("there is no node of that name")?;
    if let Some(name) = request.dns_names.iter().find(|name| !node.names.contains(*name)) {
        return Err(format!("{name:?} is not among the node's status.addresses"));
    }
    if let Some(ip) = request.ip_addresses.iter().find(|ip| !node.addresses.contains(*ip)) {
        return Err(format!("{ip} is not among the node's status.addresses"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
