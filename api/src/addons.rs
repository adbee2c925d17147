//! What Nagaya runs inside a tenant cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
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

    /// CPU and memory of kube-proxy on each node. kubeadm gives it none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<AddonResources>,
}

/// Cluster DNS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoreDnsAddon {
    /// Who looks after it.
    #[serde(default)]
    pub management: Management,

    /// Number of pods. Given, a change of it in the tenant is undone. Absent, it begins with kubeadm's two, and is the tenant's
    /// as soon as somebody scales it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,

    /// CPU and memory of each pod, over kubeadm's (100m and 70Mi, limited to 170Mi). Given, a change of them in the tenant is
    /// undone. Absent, they are the tenant's as soon as somebody sets them there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<AddonResources>,

    /// What kubeadm's Corefile gets besides.
    #[serde(default, skip_serializing_if = "CorefileAdditions::is_default")]
    pub corefile: CorefileAdditions,
}

/// What kubeadm's Corefile gets besides. A Corefile that CoreDNS does not read leaves running pods with the one of before; a pod that
/// starts anew ends with its words in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorefileAdditions {
    /// Further lines of the block `.:53`, which answers for all names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub plugins: String,

    /// Further blocks, such as one for the names of a company.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub servers: String,

    /// Whether the ConfigMap `kube-system/coredns-custom` of the tenant, if there is one, is read too: its keys `*.override` are
    /// lines of the block `.:53`, its keys `*.server` are blocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub import_custom: bool,
}

impl CorefileAdditions {
    /// What was accepted before there were any stays what it was, to the letter.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a container of an addon asks for and may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonResources {
    /// What it asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,

    /// What it may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// As Kubernetes' own definitions have quantities: a number may be written without quotes.
fn quantities(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {
            "pattern": "^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
            "x-kubernetes-int-or-string": true,
        },
    })
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
    /// Nagaya applies it and undoes changes to what it set. What it did not set is the tenant's.
    #[default]
    Managed,
    /// Nagaya neither applies nor removes it.
    Unmanaged,
}
