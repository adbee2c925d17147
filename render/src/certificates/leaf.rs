//! Which leaf certificates a control plane has, and what is in each.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::SignedDuration;
use nagaya_pki::{CertificateAuthority, Kubeconfig, LeafRequest, Trust, Usage};
use strum::{EnumIter, IntoEnumIterator as _};

use super::Authorities;
use super::secret_data::{certificate, private_key};
use crate::moves::Former;
use crate::plane::mounts::CLIENT_CONFIG_DIR;
use crate::plane::names;
use crate::tenant::Tenant;
use crate::tunnel;

/// One year, as kubeadm's (`kubeadmconstants.CertificateValidityPeriod`).
pub(crate) const LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Group that may get metrics and health, and nothing else, in every cluster
/// (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
const MONITORING_GROUP: &str = "system:monitoring";

/// A leaf certificate with its key, for the one component that presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter)]
pub enum Leaf {
    /// kube-apiserver towards everyone.
    ApiServer,
    /// kube-apiserver towards kubelets: signed by what nodes pin.
    KubeletClient,
    /// kube-apiserver towards aggregated API servers.
    FrontProxyClient,
    /// kube-apiserver towards etcd.
    EtcdClient,
    /// etcd towards its clients.
    EtcdServer,
    /// etcd members among themselves.
    EtcdPeer,
    /// kube-controller-manager towards kube-apiserver.
    ControllerManager,
    /// kube-controller-manager towards whoever gets its metrics.
    ControllerManagerServing,
    /// kube-scheduler towards kube-apiserver.
    Scheduler,
    /// kube-scheduler towards whoever gets its metrics.
    SchedulerServing,
    /// The operator's Prometheus towards kube-apiserver, kube-controller-manager and kube-scheduler. No pod of the
    /// control plane mounts it.
    Metrics,
    /// The tunnel's server towards its agents.
    TunnelServing,
    /// The tunnel's server towards kube-apiserver, which it asks who an agent is.
    TunnelClient,
}

impl Leaf {
    /// Those that a tenant's control plane has.
    pub(super) fn of(tenant: &Tenant) -> impl Iterator<Item = Self> {
        let is_tunnelled = tenant.tunnel_host().is_some();
        Self::iter().filter(move |leaf| is_tunnelled || !leaf.is_of_the_tunnel())
    }

    /// Whether only a control plane with a tunnel has it.
    pub(super) const fn is_of_the_tunnel(self) -> bool {
        matches!(self, Self::TunnelServing | Self::TunnelClient)
    }

    /// Who signs it.
    pub(super) fn issuer(self, authorities: &Authorities) -> &CertificateAuthority {
        match self {
            Self::ApiServer
            | Self::KubeletClient
            | Self::ControllerManagerServing
            | Self::SchedulerServing
            | Self::TunnelServing => &authorities.cluster,
            Self::FrontProxyClient => &authorities.front_proxy,
            Self::EtcdClient | Self::EtcdServer | Self::EtcdPeer => &authorities.etcd,
            Self::ControllerManager | Self::Scheduler | Self::Metrics | Self::TunnelClient => {
                &authorities.client
            }
        }
    }

    /// What is asked for. Common names are those of kubeadm (`phases/certs/certlist.go`,
    /// `phases/kubeconfig`): users of the tenant cluster that built-in RBAC knows.
    pub(super) fn request(self, tenant: &Tenant) -> LeafRequest {
        let client = |common_name| leaf_request(common_name, Usage::ClientAuth, Vec::new());
        let server = |name, names| leaf_request(name, Usage::ServerAuth, names);
        // Asked under the addresses of their pods, which change: a client says which name it expects.
        let unaddressed = |name: &'static str| server(name, vec![name.to_owned()]);
        match self {
            Self::ApiServer => server("kube-apiserver", api_server_names(tenant)),
            Self::KubeletClient => client("kube-apiserver-kubelet-client"),
            Self::FrontProxyClient => client(names::FRONT_PROXY_USER),
            Self::EtcdClient => client("kube-apiserver-etcd-client"),
            Self::EtcdServer => leaf_request("etcd-server", Usage::Both, etcd_server_names(tenant)),
            Self::EtcdPeer => leaf_request("etcd-peer", Usage::Both, etcd_member_names(tenant)),
            Self::ControllerManager => client("system:kube-controller-manager"),
            Self::ControllerManagerServing => unaddressed(names::CONTROLLER_MANAGER),
            Self::Scheduler => client("system:kube-scheduler"),
            Self::SchedulerServing => unaddressed(names::SCHEDULER),
            Self::Metrics => LeafRequest {
                organization: Some(MONITORING_GROUP.to_owned()),
                ..client("nagaya:metrics")
            },
            Self::TunnelServing => LeafRequest {
                validity: life_in_the_tunnel(tenant),
                ..server(names::TUNNEL_SERVER, tenant.tunnel_host().into_iter().collect())
            },
            Self::TunnelClient => client(tunnel::SERVER_USER),
        }
    }

    /// What goes with it to verify a server, for whoever mounts nothing else of the control plane.
    pub(super) fn server_ca(self, authorities: &Authorities) -> Option<&str> {
        (self == Self::Metrics).then(|| authorities.cluster_ca_pem())
    }

    /// The kubeconfig that goes with it, for components that need one. It names the files of the pair called `pair`
    /// instead of embedding them, because client-go reads only files again.
    pub(super) fn kubeconfig(self, pair: &str) -> Option<Kubeconfig> {
        let (user, host) = match self {
            Self::ControllerManager => ("system:kube-controller-manager", names::API_SERVER),
            Self::Scheduler => ("system:kube-scheduler", names::API_SERVER),
            // The one in its own pod.
            Self::TunnelClient => (tunnel::SERVER_USER, "localhost"),
            _ => return None,
        };
        let in_dir = |file: &str| format!("{CLIENT_CONFIG_DIR}/{file}");
        let server = format!("https://{host}:{}", names::API_SERVER_PORT);
        Some(Kubeconfig::new("kubernetes", &server, Trust::File(in_dir("ca.crt"))).with_file_paths(
            user,
            &in_dir(&certificate(pair)),
            &in_dir(&private_key(pair)),
        ))
    }
}

/// A new one takes new pods of kube-apiserver: tenants that got theirs at once, by one upgrade of the manager, get the next ones
/// within a month, not together.
fn life_in_the_tunnel(tenant: &Tenant) -> SignedDuration {
    LIFE - SignedDuration::from_hours(i64::from(tenant.share()) * 3)
}

/// DNS names and addresses may come in any order and more than once.
fn leaf_request(common_name: &str, usage: Usage, names: Vec<String>) -> LeafRequest {
    let (mut dns_names, mut ip_addresses) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        match name.parse::<IpAddr>() {
            Ok(address) => drop(ip_addresses.insert(address)),
            Err(_) => drop(dns_names.insert(name)),
        }
    }
    LeafRequest {
        common_name: common_name.to_owned(),
        organization: None,
        dns_names: dns_names.into_iter().collect(),
        ip_addresses: ip_addresses.into_iter().collect(),
        usage,
        validity: LIFE,
    }
}

/// Every name under which somebody reaches the API server: pods of the tenant, its nodes and people, and
/// the components beside it.
fn api_server_names(tenant: &Tenant) -> Vec<String> {
    let inside = "kubernetes.default.svc";
    let mut all = vec![
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        inside.to_owned(),
        format!("{inside}.{}", tenant.cluster_domain),
    ];
    all.extend(tenant.exposure.host.clone());
    all.extend(tenant.kubernetes_service_ips().iter().map(IpAddr::to_string));
    all.extend(tenant.exposure.addresses.iter().map(IpAddr::to_string));
    all.extend(tenant.exposure.extra_names.iter().cloned());
    all.extend(tenant.exposure.moves.former.iter().flat_map(Former::names));
    all.extend(service_names(names::API_SERVER, tenant));
    all.extend(loopback());
    all
}

fn etcd_server_names(tenant: &Tenant) -> Vec<String> {
    let mut all = etcd_member_names(tenant);
    all.extend(service_names(names::ETCD_CLIENT, tenant));
    all.extend(loopback());
    all
}

/// The stable DNS name of each member's pod; the domain of the management cluster is not known here, and
/// names end at `svc` in every URL that uses them.
fn etcd_member_names(tenant: &Tenant) -> Vec<String> {
    (0..names::MOST_ETCD_MEMBERS)
        .map(|member| names::etcd_member_host(&tenant.plane_namespace, &names::member_name(member)))
        .collect()
}

/// The names of a Service of the control-plane namespace.
fn service_names(service: &str, tenant: &Tenant) -> Vec<String> {
    let namespace = &tenant.plane_namespace;
    vec![
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ]
}

fn loopback() -> [String; 3] {
    ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()]
}
