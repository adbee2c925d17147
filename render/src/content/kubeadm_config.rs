//! The ClusterConfiguration in kube-system/kubeadm-config, in v1beta4: the only version that kubeadm 1.35
//! to 1.37 all read.

use serde_json::{Value, json};

use super::manifest::comma_separated;
use crate::tenant::{Endpoint, Tenant};
use crate::yaml;

/// The ClusterConfiguration as YAML. Fields about certificates and etcd files hold kubeadm's defaults: a
/// worker's kubeadm never acts on them, and leaving them out would only make it fill them in itself.
pub(super) fn cluster_configuration(tenant: &Tenant, endpoint: &Endpoint) -> String {
    yaml::write(&json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": tenant.version.to_string(),
        "clusterName": "kubernetes",
        "controlPlaneEndpoint": endpoint.authority(),
        "networking": {
            "dnsDomain": tenant.cluster_domain,
            "podSubnet": comma_separated(&tenant.pod_cidrs),
            "serviceSubnet": comma_separated(&tenant.service_cidrs),
        },
        "imageRepository": "registry.k8s.io",
        "certificatesDir": "/etc/kubernetes/pki",
        "caCertificateValidityPeriod": "87600h0m0s",
        "certificateValidityPeriod": "8760h0m0s",
        "encryptionAlgorithm": "RSA-2048",
        "apiServer": {},
        "controllerManager": {},
        "scheduler": {},
        "etcd": { "local": { "dataDir": "/var/lib/etcd" } },
        "dns": addon(tenant.core_dns.is_some()),
        "proxy": addon(tenant.kube_proxy.is_some()),
    }))
}

fn addon(managed: bool) -> Value {
    if managed { json!({}) } else { json!({ "disabled": true }) }
}
