//! How a tenant's API server is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the tenant's nodes and clients reach the API server: a union, discriminated by `type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expose {
    /// Which of the ways below is used.
    #[serde(default, rename = "type")]
    pub type_: ExposeType,

    /// Settings for `type: NodePort`; refused for another type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<NodePortExpose>,

    /// DNS name that clients and nodes use instead of an address. Cannot be set, changed or removed once
    /// the cluster has an endpoint (`status.endpoint`): every kubelet has it in its kubeconfig. Refused for
    /// `type: Gateway`, which names the cluster itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hostname: Option<String>,

    /// Further DNS names and IP addresses in the API server's certificate. With `type: Gateway`, DNS names also lead
    /// there through the gateway; one with `*` does not, and those below the gateway's own domain are refused, as is
    /// `kubernetes.default`, which all clusters have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    pub extra_names: Vec<String>,

    /// The former endpoint (`status.formerEndpoint.endpoint`, `host:port`) that is to end. After a change of `type` the
    /// endpoint of before is served until it is named here; nodes that still use it are cut off then. Has to be removed
    /// before `type` can change again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 260))]
    pub retired_endpoint: Option<String>,
}

/// Ways to expose an API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExposeType {
    /// A port on every management node.
    #[default]
    NodePort,
    /// `NAME.NAMESPACE.DOMAIN` at the gateway, which has one address and one port for all tenants; the domain is the
    /// manager's setting.
    Gateway,
}

/// A port on every management node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePortExpose {
    /// Host name or IP address of the management nodes, as the tenant's nodes reach them.
    /// Default: the manager's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,

    /// Port. Default: chosen once by Kubernetes and then kept, also when the Service is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}
