//! What Nagaya runs inside a tenant cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Nagaya runs inside the tenant cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Addons {
    /// kube-proxy on every node.
    #[serde(default)]
    pub kube_proxy: KubeProxyAddon,

    /// Cluster DNS.
    #[serde(default, rename = "coreDNS")]
    pub core_dns: CoreDnsAddon,

    /// What leads pods that ask for `kubernetes.default` to their API server. Only behind the gateway (`spec.expose.type:
    /// Gateway`) there is one.
    #[serde(default, skip_serializing_if = "ForwarderAddon::is_default")]
    pub forwarder: ForwarderAddon,

    /// The tunnel's agents on every node, for `spec.expose.type: Gateway`: through them the API server reaches kubelets, pods and
    /// Services.
    #[serde(default, skip_serializing_if = "KonnectivityAddon::is_default")]
    pub konnectivity: KonnectivityAddon,
}

/// kube-proxy on every node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeProxyAddon {
    /// Who looks after it.
    #[serde(default)]
    pub management: Management,

    /// JSON merge patch (RFC 7386) on the KubeProxyConfiguration that kubeadm would write for this minor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::tenant_cluster::free_form_object")]
    pub config: Option<serde_json::Value>,
}

/// Cluster DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoreDnsAddon {
    /// Who looks after it.
    #[serde(default)]
    pub management: Management,
}

/// What leads pods that ask for `kubernetes.default` through the gateway, on every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwarderAddon {
    /// Who looks after it.
    #[serde(default)]
    pub management: Management,
}

impl ForwarderAddon {
    /// Records of clusters that have none stay as they were before there was one.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The tunnel's agents on every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KonnectivityAddon {
    /// Who looks after them. The tunnel's server is there either way: the API server reaches nodes through agents alone, whoever
    /// runs them.
    #[serde(default)]
    pub management: Management,
}

impl KonnectivityAddon {
    /// What was accepted before there was a tunnel stays what it was, to the letter.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Who looks after an addon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// Nagaya applies it and undoes changes to what it set.
    #[default]
    Managed,
    /// Nagaya neither applies nor removes it.
    Unmanaged,
}
