//! How a tenant's API server is reached.

use std::collections::BTreeMap;

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

    /// Settings for `type: LoadBalancer`; refused for another type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancerExpose>,

    /// Settings for `type: External`, which needs them; refused for another type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalExpose>,

    /// DNS name that clients and nodes use instead of an address. Cannot be set, changed or removed once
    /// the cluster has an endpoint (`status.endpoint`), but with `type`: every kubelet has it in its kubeconfig. Refused for
    /// `type: Gateway`, which names the cluster itself, and for `type: External`, which has `external.host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hostname: Option<String>,

    /// Further DNS names and IP addresses in the API server's certificate. With `type: Gateway`, DNS names also lead
    /// there through the gateway; one with `*` does not, and those below the gateway's own domain are refused, as is
    /// `kubernetes.default`, which all clusters have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    pub extra_names: Vec<String>,

    /// The former endpoint (`status.formerEndpoint.endpoint`, `host:port`) that is to end. After a change of `type`, or of
    /// host or port in `external`, the endpoint of before is served until it is named here; nodes that still use it are cut
    /// off then. Has to be removed before the endpoint can change again.
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
    /// A Service of type `LoadBalancer` for this tenant alone: the endpoint is `hostname` if that is given, else the
    /// name that the load balancer gives, else its address; what it gave is kept until the endpoint ends.
    LoadBalancer,
    /// A load balancer that the operator runs outside the management cluster. It leads to a port on every management
    /// node, `status.nodePort`.
    External,
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

/// A Service of type `LoadBalancer`. What the fields mean to it is in the documentation of the load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerExpose {
    /// `spec.loadBalancerClass` of the Service: which load balancer takes it. Default: the management cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub class: Option<String>,

    /// IP address to ask for (`spec.loadBalancerIP` of the Service, which is of its family). Default: whichever the load
    /// balancer gives. Needed where it gives a name alone: then it is one that is behind that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 45))]
    pub address: Option<String>,

    /// Port of the Service, and of the endpoint.
    #[serde(default = "api_server_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Annotations of the Service, by which many load balancers are configured. Those below `nagaya.dev` are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Networks that may connect, as CIDRs (`spec.loadBalancerSourceRanges` of the Service). The manager, which looks at
    /// the endpoint as a machine does, has to be in one of them. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub source_ranges: Vec<String>,
}

impl Default for LoadBalancerExpose {
    fn default() -> Self {
        Self {
            class: None,
            address: None,
            port: api_server_port(),
            annotations: BTreeMap::new(),
            source_ranges: Vec::new(),
        }
    }
}

/// A load balancer outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalExpose {
    /// Host name or IP address of the load balancer, as the tenant's nodes and the manager reach it.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,

    /// Its port.
    #[serde(default = "api_server_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// IP addresses behind `host`, which pods of the tenant use. Needed if `host` is a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 45)))]
    pub addresses: Vec<String>,
}

/// kubeadm's `KubeAPIServerPort`.
fn api_server_port() -> i32 {
    6443
}
