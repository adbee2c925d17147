//! etcd: one cluster per tenant, with a CA of its own.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapKeySelector, Container, ContainerPort, EnvVar, EnvVarSource,
    ObjectFieldSelector, PersistentVolumeClaim, PodTemplateSpec, ResourceRequirements, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use nagaya_api::labels;

use super::mounts::{self, Files, PKI, PKI_DIR};
use super::pod::{self, Pod};
use super::probes::{self, Endpoint};
use super::resources::{self, Defaults};
use super::{claims, helper, names};
use crate::certificates::{Authority, Leaf};
use crate::membership::{EtcdShape, INITIAL_CLUSTER};
use crate::minors::ETCD_IMAGE;
use crate::settings::Settings;
use crate::tenant::Tenant;

pub(super) const USER: i64 = 10_001;
const ADMISSION: &str = "admit-member";
pub(super) const DATA_DIR: &str = "/var/lib/etcd";
const MEMBER_DIR: &str = "/var/lib/etcd/member";

/// Idle: 24 MiB anonymous, 63 with the shared parts of its files.
const RESOURCES: Defaults = Defaults { cpu: "50m", memory: "64Mi", memory_limit: "2Gi" };
/// Go's default lets an idle etcd grow to 36 MiB.
const GOGC: u8 = 30;

const PROBE: Endpoint = Endpoint { scheme: "HTTP", port: names::ETCD_PROBE_PORT };

/// What a member reads only when it starts, by environment variable. Outside the pod template: changing it
/// restarts nothing.
const BIRTH_VARIABLES: [&str; 4] = [
    INITIAL_CLUSTER,
    names::INITIAL_CLUSTER_STATE,
    "ETCD_HEARTBEAT_INTERVAL",
    "ETCD_ELECTION_TIMEOUT",
];

/// `existing`: etcd has been healthy once. From then on a member with an empty volume must fail instead of
/// starting a blank cluster, and the usual timeouts count; until then the only member there is elects itself,
/// for which it waits out one election timeout.
#[must_use]
pub fn build_etcd_state(tenant: &Tenant, existing: bool, members: &EtcdShape) -> ConfigMap {
    let url = |ordinal| names::etcd_peer_url(&tenant.plane_namespace, ordinal);
    let entry = |ordinal: &u8| format!("{}={}", names::member_name(*ordinal), url(*ordinal));
    let initial_cluster: Vec<String> = members.members.iter().map(entry).collect();
    let (state, heartbeat, election) =
        if existing { ("existing", "100", "1000") } else { ("new", "50", "250") };
    let values = [initial_cluster.join(","), state.into(), heartbeat.into(), election.into()];
    let mut data: BTreeMap<String, String> =
        BIRTH_VARIABLES.map(str::to_owned).into_iter().zip(values).collect();
    data.insert(names::JOINING.to_owned(), members.joining_entry());
    let restored = tenant.snapshots.restored.clone();
    let restored = restored.map(|name| [(labels::RESTORED_FROM.to_owned(), name)].into());
    ConfigMap {
        metadata: ObjectMeta {
            annotations: restored,
            ..pod::metadata(tenant, names::ETCD_STATE, names::ETCD)
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}

pub(super) fn build_etcd(tenant: &Tenant, members: &EtcdShape, settings: &Settings) -> StatefulSet {
    StatefulSet {
        metadata: pod::metadata(tenant, names::ETCD, names::ETCD),
        spec: Some(StatefulSetSpec {
            // One that does not get ready must not keep the others from starting.
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(i32::from(members.replicas)),
            revision_history_limit: Some(2),
            selector: pod::label_selector(names::ETCD),
            service_name: Some(names::ETCD.to_owned()),
            template: build_template(tenant, settings),
            volume_claim_templates: Some(vec![build_claim(tenant)]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn build_template(tenant: &Tenant, settings: &Settings) -> PodTemplateSpec {
    Pod {
        component: names::ETCD,
        user: USER,
        init_containers: vec![build_admission(tenant, settings)],
        container: build_container(tenant, settings),
        beside: None,
        volumes: vec![mounts::volume(
            PKI,
            vec![
                Files::certificate(Authority::Etcd, "ca"),
                Files::leaf(Leaf::EtcdServer),
                Files::leaf(Leaf::EtcdPeer),
            ],
        )],
        grace: 30,
        priority: names::ETCD_PRIORITY,
        replicated: true,
        read_at_start: &[],
    }
    .build_template(tenant, settings)
}

/// Keeps a member from starting on a volume that is empty or another member's.
fn build_admission(tenant: &Tenant, settings: &Settings) -> Container {
    let mut env = vec![pod_name()];
    env.extend([names::INITIAL_CLUSTER_STATE, names::JOINING].map(from_state));
    Container {
        args: Some(vec!["admit-member".to_owned(), format!("--data-dir={MEMBER_DIR}")]),
        env: Some(env),
        volume_mounts: Some(vec![data_mount()]),
        ..helper::build_helper(ADMISSION, tenant, settings)
    }
}

fn data_mount() -> VolumeMount {
    VolumeMount {
        name: names::ETCD_DATA.to_owned(),
        mount_path: DATA_DIR.to_owned(),
        ..VolumeMount::default()
    }
}

fn build_container(tenant: &Tenant, settings: &Settings) -> Container {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        ..ContainerPort::default()
    };
    let resources = RESOURCES.or_configured(names::ETCD, settings);
    Container {
        name: names::ETCD.to_owned(),
        image: Some(settings.control_plane_images.resolve(ETCD_IMAGE)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(build_command(tenant)),
        env: Some(build_env(&resources)),
        ports: Some(vec![
            port("client", names::ETCD_CLIENT_PORT),
            port("peer", names::ETCD_PEER_PORT),
            port("probes", names::ETCD_PROBE_PORT),
        ]),
        resources: Some(resources),
        security_context: Some(pod::container_security(&[])),
        startup_probe: Some(probes::startup(PROBE, "/readyz")),
        readiness_probe: Some(probes::readiness(PROBE, "/readyz")),
        // Not /health, which also fails on the alarm NOSPACE: restarting a full etcd again and again does
        // not empty it (etcd #14497). A full one stays readable.
        liveness_probe: Some(probes::liveness(PROBE, "/livez")),
        volume_mounts: Some(vec![data_mount(), mounts::mount(PKI, PKI_DIR)]),
        ..Container::default()
    }
}

fn build_command(tenant: &Tenant) -> Vec<String> {
    let member = "$(POD_NAME)";
    let peer_port = names::ETCD_PEER_PORT;
    let host = names::etcd_member_host(&tenant.plane_namespace, member);
    let mut command = vec!["etcd".to_owned()];
    command.extend([
        format!("--name={member}"),
        // Below the mount: a fresh file system has a lost+found in its root.
        format!("--data-dir={MEMBER_DIR}"),
        format!("--advertise-client-urls=https://{host}:{}", names::ETCD_CLIENT_PORT),
        format!("--listen-client-urls=https://0.0.0.0:{}", names::ETCD_CLIENT_PORT),
        format!("--initial-advertise-peer-urls=https://{host}:{peer_port}"),
        format!("--listen-peer-urls=https://0.0.0.0:{peer_port}"),
        format!("--listen-metrics-urls=http://0.0.0.0:{}", names::ETCD_PROBE_PORT),
        // Members of two tenants must never take each other for one cluster.
        format!("--initial-cluster-token={}", tenant.plane_namespace),
        format!("--quota-backend-bytes={}", tenant.etcd.quota),
        format!("--trusted-ca-file={PKI_DIR}/ca.crt"),
        format!("--cert-file={PKI_DIR}/server.crt"),
        format!("--key-file={PKI_DIR}/server.key"),
        format!("--peer-trusted-ca-file={PKI_DIR}/ca.crt"),
        format!("--peer-cert-file={PKI_DIR}/peer.crt"),
        format!("--peer-key-file={PKI_DIR}/peer.key"),
    ]);
    command.extend(
        [
            "--client-cert-auth=true",
            "--peer-client-cert-auth=true",
            "--snapshot-count=10000",
            // For each watch of each API server; a read that waits for one asks for it (KEP-2340). With the 5 s of
            // kubeadm (KEP-1904) a third of what an idle etcd and kube-apiserver do is this.
            "--watch-progress-notify-interval=1m",
            "--feature-gates=InitialCorruptCheck=true",
        ]
        .map(str::to_owned),
    );
    command
}

fn build_env(resources: &ResourceRequirements) -> Vec<EnvVar> {
    let mut env = resources::go_runtime(GOGC, resources);
    env.push(pod_name());
    env.extend(BIRTH_VARIABLES.map(from_state));
    env
}

fn pod_name() -> EnvVar {
    EnvVar {
        name: "POD_NAME".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.name".to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}

fn from_state(name: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector {
                name: names::ETCD_STATE.to_owned(),
                key: name.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}

fn build_claim(tenant: &Tenant) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::ETCD_DATA.to_owned()),
            labels: Some(pod::template_labels(tenant, names::ETCD)),
            ..ObjectMeta::default()
        },
        spec: Some(claims::build_spec(
            &tenant.etcd.storage_size,
            tenant.etcd.storage_class.as_ref(),
        )),
        ..PersistentVolumeClaim::default()
    }
}

/// The claim of the first member as the StatefulSet would make it, for a restore where it is lost.
#[must_use]
pub fn build_first_claim(tenant: &Tenant) -> PersistentVolumeClaim {
    let mut claim = build_claim(tenant);
    claim.metadata.name = Some(names::member_claim(&names::member_name(0)));
    claim.metadata.namespace = Some(tenant.plane_namespace.clone());
    claim
}
