//! Addresses and names inside a tenant cluster.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Addresses and names inside the tenant cluster. Tenants may use the same ones as their neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Networking {
    /// Networks that pods get their addresses from: one, or two of different IP families.
    #[serde(default = "default_pod_cidrs", rename = "podCIDRs")]
    #[schemars(length(min = 1, max = 2), inner(length(max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("spec.networking.podCIDRs must hold CIDRs such as 10.244.0.0/16"))]
    pub pod_cidrs: Vec<String>,

    /// Networks that Services get their addresses from: one, or two of different IP families.
    #[serde(default = "default_service_cidrs", rename = "serviceCIDRs")]
    #[schemars(length(min = 1, max = 2), inner(length(max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("spec.networking.serviceCIDRs must hold CIDRs such as 10.96.0.0/12"))]
    pub service_cidrs: Vec<String>,

    /// DNS domain of the tenant cluster's Services.
    #[serde(default = "default_cluster_domain")]
    #[schemars(
        length(max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub cluster_domain: String,
}

impl Default for Networking {
    fn default() -> Self {
        Self {
            pod_cidrs: default_pod_cidrs(),
            service_cidrs: default_service_cidrs(),
            cluster_domain: default_cluster_domain(),
        }
    }
}

fn default_pod_cidrs() -> Vec<String> {
    vec!["10.244.0.0/16".to_owned()]
}

fn default_service_cidrs() -> Vec<String> {
    vec!["10.96.0.0/12".to_owned()]
}

fn default_cluster_domain() -> String {
    "cluster.local".to_owned()
}
