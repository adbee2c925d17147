//! Fields that a fragment may not set, because nodes would no longer join or the control plane would no
//! longer reach them. The reason is part of the answer.

use serde_json::Value;

use super::FragmentError;
use super::fields::Kind;

/// A path below the fragment's root, and why it is not the tenant's to set.
type Refused = (&'static [&'static str], &'static str);

const KUBELET: &[Refused] = &[
    (&["apiVersion"], "it says what the file is; remove it"),
    (&["kind"], "it says what the file is; remove it"),
    (
        &["clusterDNS"],
        "it is the tenth address of spec.networking.serviceCIDRs, where cluster DNS answers; remove it",
    ),
    (&["clusterDomain"], "set spec.networking.clusterDomain instead"),
    (
        &["authentication"],
        "the API server reaches kubelets by the client certificate and tokens that it describes; remove it",
    ),
    (
        &["authorization"],
        "kubelets must ask the tenant's API server who may read logs and run commands; remove it",
    ),
    (&["staticPodPath"], "kubeadm makes and checks that directory when a node joins; remove it"),
    (
        &["rotateCertificates"],
        "a node whose certificate is not renewed drops out after 720 h; remove it",
    ),
    (
        &["serverTLSBootstrap"],
        "the API server accepts only kubelets whose serving certificate the cluster signed; remove it",
    ),
    (
        &["tlsCertFile"],
        "the API server accepts only kubelets whose serving certificate the cluster signed; remove it",
    ),
    (
        &["tlsPrivateKeyFile"],
        "the API server accepts only kubelets whose serving certificate the cluster signed; remove it",
    ),
    (
        &["featureGates", "RotateKubeletServerCertificate"],
        "the API server accepts only kubelets whose serving certificate the cluster signed; remove it",
    ),
    (&["registerNode"], "a kubelet that does not register never becomes a node; remove it"),
    (&["runOnce"], "kubelets refuse to start with it; remove it"),
    (&["providerID"], "it names one machine, and this configuration is for all of them; remove it"),
];

/// A path, the value that it may not have, and why.
type RefusedValue = (&'static [&'static str], fn(&Value) -> bool, &'static str);

const KUBELET_VALUES: &[RefusedValue] = &[
    (
        &["healthzPort"],
        |value| value.as_i64().is_none_or(|port| !(1..=65535).contains(&port)),
        "must be from 1 to 65535: kubeadm join waits for the kubelet to answer there",
    ),
    (
        &["port"],
        |value| value.as_i64().is_none_or(|port| !(1..=65535).contains(&port)),
        "must be from 1 to 65535: the API server reaches the kubelet there",
    ),
    (
        &["enableServer"],
        |value| value != true,
        "cannot be false: the API server could not read logs or run commands; remove it",
    ),
];

const KUBE_PROXY_VALUES: &[RefusedValue] = &[(
    &["mode"],
    // `ProxyMode` of pkg/proxy/apis/config/types.go; the fourth is of Windows.
    |value| !["", "iptables", "ipvs", "nftables"].iter().any(|mode| value == mode),
    "must be iptables, ipvs or nftables: kube-proxy does not start with another",
)];

const KUBE_PROXY: &[Refused] = &[
    (&["apiVersion"], "it says what the file is; remove it"),
    (&["kind"], "it says what the file is; remove it"),
    (&["clientConnection", "kubeconfig"], "it is the file that the DaemonSet mounts; remove it"),
    (&["clusterCIDR"], "it is spec.networking.podCIDRs; remove it"),
    (
        &["hostnameOverride"],
        "it names one machine, and this configuration is for all of them; remove it",
    ),
];

/// Refuses the first field of `patch` that is not the tenant's to set; `null`, which would remove it, too.
pub(super) fn check(root: &str, patch: &Value, kind: Kind) -> Result<(), FragmentError> {
    for (path, reason) in table(kind) {
        let set = path.iter().try_fold(patch, |value, key| value.get(key));
        // A null along the way removes the field as well.
        let removed = (1..path.len())
            .any(|n| path[..n].iter().try_fold(patch, |v, key| v.get(key)) == Some(&Value::Null));
        if set.is_some() || (removed && !is_map_entry(path)) {
            return Err(FragmentError {
                field: format!("{root}.{}", path.join(".")),
                message: format!("cannot be set here: {reason}"),
            });
        }
    }
    let values = match kind {
        Kind::Kubelet => KUBELET_VALUES,
        Kind::KubeProxy => KUBE_PROXY_VALUES,
    };
    for (path, is_refused, reason) in values {
        let set = path.iter().try_fold(patch, |value, key| value.get(key));
        // Null leaves kubelet's default.
        if set.is_some_and(|value| !value.is_null() && is_refused(value)) {
            return Err(FragmentError {
                field: format!("{root}.{}", path.join(".")),
                message: (*reason).to_owned(),
            });
        }
    }
    Ok(())
}

/// Removing all feature gates leaves the defaults, which are fine.
fn is_map_entry(path: &[&str]) -> bool {
    path.first() == Some(&"featureGates")
}

pub(super) fn table(kind: Kind) -> &'static [Refused] {
    match kind {
        Kind::Kubelet => KUBELET,
        Kind::KubeProxy => KUBE_PROXY,
    }
}
