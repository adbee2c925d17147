//! Fragments: JSON merge patches (RFC 7386) that tenants give for the kubelet's and kube-proxy's
//! configuration. A mistake in one of them would show only on the nodes, as a kubelet that does not start;
//! so each is checked against the fields of that Kubernetes minor before anything is written.

mod fields;
mod merge;
mod refused;
mod shape;

use serde_json::Value;

use crate::minors::Minor;
use fields::Kind;

pub(crate) use merge::merge;

/// A fragment that cannot be used, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FragmentError {
    /// Path of the field, such as `spec.kubelet.evictionHard`.
    pub field: String,
    /// What is wrong and what to do instead.
    pub message: String,
}

/// Checks `spec.kubelet`.
///
/// # Errors
/// The first field that this minor's KubeletConfiguration does not have, that holds another JSON type than
/// Go expects, or that would break the join.
pub fn check_kubelet(patch: &Value, minor: &Minor) -> Result<(), FragmentError> {
    check("spec.kubelet", patch, Kind::Kubelet, minor)
}

/// Checks `spec.addons.kubeProxy.config`.
///
/// # Errors
/// As [`check_kubelet`], for KubeProxyConfiguration.
pub fn check_kube_proxy(patch: &Value, minor: &Minor) -> Result<(), FragmentError> {
    check("spec.addons.kubeProxy.config", patch, Kind::KubeProxy, minor)
}

fn check(root: &str, patch: &Value, kind: Kind, minor: &Minor) -> Result<(), FragmentError> {
    let Some(fields) = kind.fields(minor.minor) else {
        return Err(FragmentError {
            field: root.to_owned(),
            message: format!(
                "the fields of {kind} in Kubernetes 1.{} are not known to this version of Nagaya; remove it",
                minor.minor
            ),
        });
    };
    shape::check(root, patch, fields, &format!("{kind} in Kubernetes 1.{}", minor.minor))?;
    refused::check(root, patch, kind)
}

#[cfg(test)]
mod tests;
