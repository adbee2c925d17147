//! `Tenant`: a validated spec with every name, default and version resolved. Nothing past
//! [`crate::validate`] reads the raw object.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use nagaya_api::{AddonResources, CorefileAdditions, TenantClusterSpec, labels};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::minors::{KubernetesVersion, Minor};
use crate::moves::{Awaited, Moves};
use crate::snapshots::Snapshots;
use crate::turns::Templates;

/// One tenant, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// Name of the `TenantCluster`.
    pub name: String,
    /// Namespace of the `TenantCluster`: the project.
    pub namespace: String,
    /// The spec that this is made of, for the record only.
    pub spec: TenantClusterSpec,
    /// UID of the `TenantCluster`.
    pub uid: String,
    /// Namespace that holds the control plane.
    pub plane_namespace: String,
    /// Exact version.
    pub version: KubernetesVersion,
    /// Facts about that version's minor.
    pub minor: &'static Minor,
    /// Version at which all of it was last, while an upgrade is under way.
    pub upgrading_from: Option<KubernetesVersion>,
    /// Networks of pods: one or two.
    pub pod_cidrs: Vec<IpNet>,
    /// Networks of Services: one or two.
    pub service_cidrs: Vec<IpNet>,
    /// DNS domain of the tenant's Services.
    pub cluster_domain: String,
    /// Where the API server is reached from outside.
    pub exposure: Exposure,
    /// Image of the manager that the plane's pods wait with (`nagaya wait`).
    pub wait_image: String,
    /// Number of kube-apiserver replicas.
    pub api_server_replicas: i32,
    /// etcd.
    pub etcd: EtcdMembers,
    /// How etcd is saved, what has been, and what it is to go back to.
    pub snapshots: Snapshots,
    /// JSON merge patch on KubeletConfiguration.
    pub kubelet_patch: Option<Value>,
    /// JSON merge patch on KubeProxyConfiguration; the outer `None`: kube-proxy is not managed.
    pub kube_proxy: Option<KubeProxy>,
    /// Cluster DNS; `None`: it is not managed.
    pub core_dns: Option<CoreDns>,
    /// What leads pods to their API server through the gateway; `None`: it needs none.
    pub forwarder: Option<Forwarder>,
    /// Whether the tunnel's agents are managed, where there is a tunnel ([`crate::tunnel`]).
    pub tunnel_agents: bool,
    /// Whose pod templates it gets.
    pub templates: Templates,
    /// Since when its nodes are cut off ([`crate::meltdown`]): kube-controller-manager leaves them alone.
    pub cut_off_since: Option<Timestamp>,
}

/// Where an API server is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Host that clients and nodes use: a DNS name or an IP address; `None` until a load balancer has given one.
    pub host: Option<String>,
    /// IP addresses behind `host`; pods of the tenant reach the API through them. None until a load balancer has given one.
    pub addresses: Vec<IpAddr>,
    /// Port beside `host`; `None` until Kubernetes has chosen a node port.
    pub port: Option<u16>,
    /// What leads there.
    pub way: Way,
    /// Further names and addresses in the serving certificate.
    pub extra_names: Vec<String>,
    /// What is beside it since it was changed.
    pub moves: Moves,
}

impl Exposure {
    /// Host and port, once they are known.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        Some(Endpoint { host: self.host.clone()?, port: self.port? })
    }

    /// Where to look, beside the API server, if nobody gets through to the endpoint.
    #[must_use]
    pub fn suspect(&self) -> String {
        match &self.way {
            Way::NodePort => {
                "whether spec.expose.nodePort.host leads to a management node".to_owned()
            }
            Way::Gateway { .. } => "whether gateway.addresses leads to the gateway".to_owned(),
            Way::LoadBalancer(_) => format!(
                "whether the load balancer leads to the Service {}, and whether spec.expose.loadBalancer.sourceRanges \
                 lets the manager in",
                self.moves.service.name()
            ),
            Way::External { node_port } => {
                let port = node_port.map(|port| format!(" {port}")).unwrap_or_default();
                format!(
                    "whether the load balancer at spec.expose.external leads to port{port} of the management nodes, \
                     and passes TLS on as it is"
                )
            }
        }
    }
}

/// What leads from an endpoint to the API server. Recorded of a former endpoint as it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// A port on every management node.
    NodePort,
    /// The gateway.
    Gateway {
        /// Names that clients ask it for in TLS: [`Exposure::host`] and further ones.
        hosts: Vec<String>,
    },
    /// A Service of type `LoadBalancer`.
    LoadBalancer(BalancerRequest),
    /// A load balancer of the operator's own, which leads to a port on every management node.
    External {
        /// That port; `None` until Kubernetes has chosen it.
        node_port: Option<u16>,
    },
}

impl Way {
    /// As it was before anybody knew which node port Kubernetes or which address a load balancer would give.
    #[must_use]
    pub fn as_made(&self) -> Self {
        match self {
            Self::NodePort | Self::Gateway { .. } => self.clone(),
            Self::LoadBalancer(request) => {
                Self::LoadBalancer(BalancerRequest { address: None, ..request.clone() })
            }
            Self::External { node_port: _ } => Self::External { node_port: None },
        }
    }

    /// The node port of an endpoint with that port, where it is reached through one.
    #[must_use]
    pub fn node_port(&self, port: Option<u16>) -> Option<u16> {
        match self {
            Self::NodePort => port,
            Self::External { node_port } => *node_port,
            Self::Gateway { .. } | Self::LoadBalancer(_) => None,
        }
    }
}

/// What a load balancer is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerRequest {
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// The address that the endpoint has, or is to have; `None`: whichever it gives.
    pub address: Option<IpAddr>,
    /// `spec.ipFamilies`: that of an address that the operator asks for; `None`: the management cluster's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<IpFamily>,
    /// Annotations of the Service.
    pub annotations: BTreeMap<String, String>,
    /// Networks that may connect, as CIDRs; empty: all.
    pub source_ranges: Vec<String>,
}

/// A family of addresses (`core/v1.IPFamily`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpFamily {
    /// `IPv4`.
    #[serde(rename = "IPv4")]
    V4,
    /// `IPv6`.
    #[serde(rename = "IPv6")]
    V6,
}

impl IpFamily {
    /// That of an address.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The one that Kubernetes calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::V4, Self::V6].into_iter().find(|family| family.name() == name)
    }

    /// As Kubernetes calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The endpoint once its port is known: `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A DNS name or an IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// `host:port`, an IPv6 address in brackets (kubeadm's `controlPlaneEndpoint`).
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// `https://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.authority())
    }
}

/// etcd as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdMembers {
    /// Number of members.
    pub replicas: i32,
    /// StorageClass; `None`: the cluster's default.
    pub storage_class: Option<String>,
    /// Kubernetes quantity in bytes.
    pub storage_size: String,
    /// Largest size of its database in bytes.
    pub quota: u64,
}

/// kube-proxy as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KubeProxy {
    /// JSON merge patch on KubeProxyConfiguration.
    pub config_patch: Option<Value>,
    /// Of its container; `None`: kubeadm gives it none.
    pub resources: Option<AddonResources>,
}

/// CoreDNS as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoreDns {
    /// Number of pods; `None`: kubeadm's, until somebody else says.
    pub replicas: Option<i32>,
    /// Of its container, kubeadm's among them; `None`: kubeadm's, until somebody else says.
    pub resources: Option<AddonResources>,
    /// What its Corefile has besides kubeadm's.
    pub corefile: CorefileAdditions,
}

/// What leads pods to their API server through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarder {
    /// What `default/kubernetes` leads to, and each node gives to itself.
    pub address: IpAddr,
    /// Whether it is managed; otherwise somebody else sees to it that something is at that address.
    pub managed: bool,
}

impl Tenant {
    /// The same tenant at another version, on the way from one to the next.
    #[must_use]
    pub fn at(&self, version: KubernetesVersion) -> Self {
        let minor = Minor::find(version.minor).unwrap_or(self.minor);
        Self { version, minor, ..self.clone() }
    }

    /// The endpoint, once the port is known. One that the cluster moves to is nothing to be told until that is recorded.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        let former = self.exposure.moves.former.as_ref();
        self.exposure.endpoint().filter(|own| former.is_none_or(|former| former.hands_out(own)))
    }

    /// The tenant as it is to be once the address is given that it waits for while another endpoint is served.
    #[must_use]
    pub fn awaited(&self) -> Option<Self> {
        let Awaited { expose, exposure } = self.exposure.moves.awaited.as_deref()?;
        Some(Self {
            spec: TenantClusterSpec { expose: expose.clone(), ..self.spec.clone() },
            exposure: exposure.clone(),
            // A load balancer leads by an address.
            forwarder: None,
            ..self.clone()
        })
    }

    /// 0 to 255, evenly spread over tenants: what all of them would do at once each does at its own time.
    pub(crate) fn share(&self) -> u8 {
        Sha256::digest(&self.uid)[0]
    }

    /// Labels of an object of this tenant; `component` is its `app.kubernetes.io/name`.
    #[must_use]
    pub fn labels(&self, component: &str) -> BTreeMap<String, String> {
        [
            (labels::NAME, component),
            (labels::MANAGED_BY, labels::MANAGER),
            (labels::TENANT_NAME, &self.name),
            (labels::TENANT_NAMESPACE, &self.namespace),
            (labels::TENANT_UID, &self.uid),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    /// First address of each Service network; the first is the ClusterIP of `default/kubernetes`.
    #[must_use]
    pub fn kubernetes_service_ips(&self) -> Vec<IpAddr> {
        self.service_cidrs.iter().filter_map(|net| nth_address(net, 1)).collect()
    }

    /// Tenth address of the first Service network: the cluster DNS (kubeadm's `GetDNSIP`).
    #[must_use]
    pub fn dns_ip(&self) -> Option<IpAddr> {
        self.service_cidrs.first().and_then(|net| nth_address(net, 10))
    }
}

fn nth_address(net: &IpNet, n: u8) -> Option<IpAddr> {
    let address = match net.network() {
        IpAddr::V4(base) => {
            IpAddr::from((u32::from(base).checked_add(u32::from(n))?).to_be_bytes())
        }
        IpAddr::V6(base) => {
            IpAddr::from((u128::from(base).checked_add(u128::from(n))?).to_be_bytes())
        }
    };
    net.contains(&address).then_some(address)
}
