//! The tunnel's server, a container beside kube-apiserver: agents come to it by the gateway, and kube-apiserver by a socket that the
//! two share. Flags: `cmd/server/app/options/options.go` of `sigs.k8s.io/apiserver-network-proxy`.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::authentication;
use crate::certificates::Leaf;
use crate::plane::mounts::{
    self, CLIENT_CONFIG, CLIENT_CONFIG_DIR, Files, SERVING, kubeconfig_path,
};
use crate::plane::probes::{self, Endpoint};
use crate::plane::resources::{self, Defaults};
use crate::plane::{names, pod};
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::tunnel::{AGENT, KEEPALIVE, SERVER_USER};

/// Another user than kube-apiserver's, in its group: the socket is for the group (`getUDSListener`).
const USER: i64 = 10_005;

const RESOURCES: Defaults = Defaults { cpu: "10m", memory: "32Mi", memory_limit: "512Mi" };
const GOGC: u8 = 50;

const PROBE: Endpoint = Endpoint { scheme: "HTTP", port: names::TUNNEL_PROBE_PORT };

const SOCKET_VOLUME: &str = "konnectivity";
const SOCKET_DIR: &str = "/run/konnectivity";

/// File name of [`EGRESS`], beside the other configuration.
pub(super) const EGRESS_FILE: &str = "egress.yaml";

/// What is in the tenant goes through the tunnel. etcd and what is asked for authorization (`etcd`, `controlplane`) are not named: they
/// are reached directly.
pub(super) const EGRESS: &str = "\
apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: GRPC
    transport:
      uds:
        udsName: /run/konnectivity/server.sock
";

/// An aggregated API and a webhook are asked for at a pod's address rather than the Service's: whichever agent the question
/// leaves by, its node has a way to pods, but may not have this Service yet, or another one for itself.
pub(super) fn build_api_server_flags(tenant: &Tenant) -> Vec<String> {
    if tenant.tunnel_host().is_none() {
        return Vec::new();
    }
    vec![
        format!("--egress-selector-config-file={}/{EGRESS_FILE}", authentication::DIR),
        "--enable-aggregator-routing=true".to_owned(),
    ]
}

/// Where kube-apiserver finds the socket. To connect to it is no write to the volume.
pub(super) fn socket_mount(tenant: &Tenant) -> Option<VolumeMount> {
    tenant.tunnel_host().map(|_| mounts::mount(SOCKET_VOLUME, SOCKET_DIR))
}

pub(super) fn build_volumes(tenant: &Tenant) -> Vec<Volume> {
    if tenant.tunnel_host().is_none() {
        return Vec::new();
    }
    let mut files = mounts::client_config(Leaf::TunnelClient);
    files.push(Files::leaf(Leaf::TunnelServing));
    let socket = Volume {
        name: SOCKET_VOLUME.to_owned(),
        // In memory: else cluster-autoscaler takes it for data, and the node for one that has to stay.
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity("1Mi".to_owned())),
        }),
        ..Volume::default()
    };
    vec![mounts::volume(CLIENT_CONFIG, files), socket]
}

/// Asked to end, it waits until kube-apiserver has let go of the socket, and so serves it to the end (`GracefulStop`): there is
/// no need for an init container that stays.
pub(super) fn build_server(tenant: &Tenant, settings: &Settings) -> Option<Container> {
    tenant.tunnel_host()?;
    let official =
        format!("registry.k8s.io/kas-network-proxy/proxy-server:{}", tenant.minor.konnectivity);
    let resources = RESOURCES.or_configured(names::TUNNEL_SERVER, settings);
    let mut security = pod::container_security(&[]);
    security.run_as_user = Some(USER);
    Some(Container {
        name: names::TUNNEL_SERVER.to_owned(),
        image: Some(settings.control_plane_images.resolve(&official)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(build_command(tenant)),
        env: Some(resources::go_runtime(GOGC, &resources)),
        ports: Some(vec![ContainerPort {
            name: Some("agents".to_owned()),
            container_port: i32::from(names::TUNNEL_PORT),
            ..ContainerPort::default()
        }]),
        resources: Some(resources),
        security_context: Some(security),
        // No question of readiness: upstream's says yes once there is an agent, which comes by a Service of those that are ready.
        liveness_probe: Some(probes::liveness(PROBE, "/healthz")),
        volume_mounts: Some(vec![
            mounts::mount(CLIENT_CONFIG, CLIENT_CONFIG_DIR),
            VolumeMount { read_only: None, ..mounts::mount(SOCKET_VOLUME, SOCKET_DIR) },
        ]),
        ..Container::default()
    })
}

fn build_command(tenant: &Tenant) -> Vec<String> {
    let mut command = vec!["/proxy-server".to_owned()];
    command.extend([
        format!("--uds-name={SOCKET_DIR}/server.sock"),
        "--server-port=0".to_owned(),
        "--mode=grpc".to_owned(),
        format!("--agent-port={}", names::TUNNEL_PORT),
        "--admin-bind-address=127.0.0.1".to_owned(),
        format!("--admin-port={}", names::TUNNEL_ADMIN_PORT),
        format!("--health-port={}", names::TUNNEL_PROBE_PORT),
        format!("--cluster-cert={CLIENT_CONFIG_DIR}/{SERVING}.crt"),
        format!("--cluster-key={CLIENT_CONFIG_DIR}/{SERVING}.key"),
        // Who an agent is: a token of this ServiceAccount for this audience, which kube-apiserver is asked about.
        format!("--kubeconfig={}", kubeconfig_path()),
        "--agent-namespace=kube-system".to_owned(),
        format!("--agent-service-account={AGENT}"),
        format!("--authentication-audience={SERVER_USER}"),
        // Agents connect until they have met so many.
        format!("--server-count={}", tenant.api_server_replicas),
        // A node by its own agent, whatever else by any.
        "--proxy-strategies=destHost,default".to_owned(),
        format!("--keepalive-time={KEEPALIVE}"),
    ]);
    command
}
