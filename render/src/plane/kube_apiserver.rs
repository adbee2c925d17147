//! kube-apiserver: active-active, so replicas may come and go freely.

mod authentication;
mod flags;
mod tunnel;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use nagaya_api::labels;

pub(super) use authentication::build_authentication;

use super::mounts::{self, Files, PKI, PKI_DIR};
use super::names;
use super::pod::{self, Pod};
use super::probes::{self, Endpoint};
use super::resources::{self, Defaults};
use super::wait;
use crate::certificates::secret_data::{SA_PRIVATE_KEY, SA_PUBLIC_KEY};
use crate::certificates::{Authority, Leaf};
use crate::membership::EtcdShape;
use crate::settings::Settings;
use crate::tenant::Tenant;

const USER: i64 = 10_002;

/// Idle: 140 MiB anonymous, 215 with the shared parts of its files. The limit leaves room for a hundred
/// large custom resource definitions (4 MiB each, twice that while somebody reads the OpenAPI document).
const RESOURCES: Defaults = Defaults { cpu: "100m", memory: "256Mi", memory_limit: "2Gi" };
/// With a node an idle one has 148 MiB with 30 and 139 with 20.
const GOGC: u8 = 20;

const PROBE: Endpoint = Endpoint { scheme: "HTTPS", port: names::API_SERVER_PORT };
const AUTHENTICATION: &str = "authentication";

pub(super) fn build_api_server(
    tenant: &Tenant,
    members: &EtcdShape,
    settings: &Settings,
) -> Deployment {
    let connected = (labels::ETCD_MEMBERS.to_owned(), members.serving.to_string());
    Deployment {
        metadata: ObjectMeta {
            annotations: Some([connected].into()),
            ..pod::versioned_metadata(tenant, names::API_SERVER)
        },
        spec: Some(DeploymentSpec {
            replicas: Some(tenant.api_server_replicas),
            revision_history_limit: Some(2),
            selector: pod::label_selector(names::API_SERVER),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: build_template(tenant, members, settings),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn build_template(tenant: &Tenant, members: &EtcdShape, settings: &Settings) -> PodTemplateSpec {
    let mut volumes = vec![build_pki_volume(), build_authentication_volume()];
    volumes.extend(tunnel::build_volumes(tenant));
    Pod {
        component: names::API_SERVER,
        user: USER,
        init_containers: vec![wait::build_wait_for_etcd(tenant, settings)],
        container: build_container(tenant, members, settings),
        beside: tunnel::build_server(tenant, settings),
        volumes,
        // The shutdown delay and some time for requests that are under way. Not the 60 s that one may take:
        // clients ask again by themselves.
        grace: 30,
        priority: names::API_SERVER_PRIORITY,
        replicated: true,
        read_at_start: &authentication::configurations(tenant),
    }
    .build_template(tenant, settings)
}

fn build_pki_volume() -> Volume {
    mounts::volume(
        PKI,
        vec![
            Files::leaf(Leaf::ApiServer),
            Files::leaf(Leaf::KubeletClient),
            Files::leaf(Leaf::FrontProxyClient),
            Files::leaf(Leaf::EtcdClient),
            Files::certificate(Authority::Client, "client-ca"),
            Files::certificate(Authority::KubeletServing, "kubelet-serving-ca"),
            Files::certificate(Authority::FrontProxy, "front-proxy-ca"),
            Files::certificate(Authority::Etcd, "etcd-ca"),
            Files::service_account(&[SA_PRIVATE_KEY, SA_PUBLIC_KEY]),
        ],
    )
}

fn build_authentication_volume() -> Volume {
    Volume {
        name: AUTHENTICATION.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::API_SERVER_AUTHENTICATION.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn build_container(tenant: &Tenant, members: &EtcdShape, settings: &Settings) -> Container {
    let image = format!("registry.k8s.io/kube-apiserver:{}", tenant.version);
    let resources = RESOURCES.or_configured(names::API_SERVER, settings);
    let mut volume_mounts =
        vec![mounts::mount(PKI, PKI_DIR), mounts::mount(AUTHENTICATION, authentication::DIR)];
    volume_mounts.extend(tunnel::socket_mount(tenant));
    Container {
        name: names::API_SERVER.to_owned(),
        image: Some(settings.control_plane_images.resolve(&image)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(flags::build_command(tenant, members)),
        env: Some(resources::go_runtime(GOGC, &resources)),
        ports: Some(vec![ContainerPort {
            name: Some("https".to_owned()),
            container_port: i32::from(names::API_SERVER_PORT),
            ..ContainerPort::default()
        }]),
        resources: Some(resources),
        // The official image's binary carries this file capability and cannot be executed without it.
        security_context: Some(pod::container_security(&["NET_BIND_SERVICE"])),
        startup_probe: Some(probes::startup(PROBE, "/readyz")),
        readiness_probe: Some(probes::readiness(PROBE, "/readyz")),
        // Without etcd: a restart does not bring etcd back, but a crash loop's back-off would keep the API
        // away for minutes after it is.
        liveness_probe: Some(probes::liveness(PROBE, "/livez?exclude=etcd")),
        volume_mounts: Some(volume_mounts),
        ..Container::default()
    }
}
