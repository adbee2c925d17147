//! kube-controller-manager: the only component that holds CA keys, those of the client and the kubelet-serving CA. (Pods
//! that take a snapshot hold all of them for as long as that takes.)

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume};
use nagaya_api::labels;

use super::mounts::{self, CLIENT_CONFIG, CLIENT_CONFIG_DIR, Files, PKI, PKI_DIR};
use super::pod::{self, Pod};
use super::probes::{self, Endpoint};
use super::resources::{self, Defaults};
use super::{names, networks, wait};
use crate::certificates::secret_data::SA_PRIVATE_KEY;
use crate::certificates::{Authority, Leaf};
use crate::settings::Settings;
use crate::tenant::Tenant;

const USER: i64 = 10_003;

/// Idle: 36 MiB anonymous, 98 with the shared parts of its files.
const RESOURCES: Defaults = Defaults { cpu: "25m", memory: "64Mi", memory_limit: "1Gi" };
const GOGC: u8 = 30;

const PROBE: Endpoint = Endpoint { scheme: "HTTPS", port: 10257 };

/// Signers and the CA that each uses (`--cluster-signing-SIGNER-{cert,key}-file`).
const SIGNERS: [(&str, &str); 4] = [
    ("kubelet-client", "client-ca"),
    ("kube-apiserver-client", "client-ca"),
    ("legacy-unknown", "client-ca"),
    ("kubelet-serving", "kubelet-serving-ca"),
];

/// A StatefulSet and no election: a Deployment would run two during a surge or beside a cut-off node, and an
/// election takes 17 s to notice that the only replica is a new one. Parallel: else a pod that never gets
/// ready would keep a corrected template from being tried.
pub(super) fn build_controller_manager(tenant: &Tenant, settings: &Settings) -> StatefulSet {
    let mut metadata = pod::versioned_metadata(tenant, names::CONTROLLER_MANAGER);
    if let Some(since) = tenant.cut_off_since {
        let note = (labels::NODES_CUT_OFF_SINCE.to_owned(), since.to_string());
        metadata.annotations.get_or_insert_default().extend([note]);
    }
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(1),
            revision_history_limit: Some(2),
            selector: pod::label_selector(names::CONTROLLER_MANAGER),
            template: build_template(tenant, settings),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn build_template(tenant: &Tenant, settings: &Settings) -> PodTemplateSpec {
    Pod {
        component: names::CONTROLLER_MANAGER,
        user: USER,
        init_containers: vec![wait::build_wait_for_api(tenant, settings)],
        container: build_container(tenant, settings),
        beside: None,
        volumes: vec![mounts::client_config_volume(Leaf::ControllerManager), build_pki_volume()],
        grace: 10,
        priority: names::CONTROLLER_PRIORITY,
        replicated: false,
        read_at_start: &[],
    }
    .build_template(tenant, settings)
}

fn build_pki_volume() -> Volume {
    mounts::volume(
        PKI,
        vec![
            Files::leaf(Leaf::ControllerManagerServing),
            Files::certificate(Authority::Cluster, "cluster-ca"),
            Files::signer(Authority::Client, "client-ca"),
            Files::signer(Authority::KubeletServing, "kubelet-serving-ca"),
            Files::certificate(Authority::FrontProxy, "front-proxy-ca"),
            Files::service_account(&[SA_PRIVATE_KEY]),
        ],
    )
}

fn build_container(tenant: &Tenant, settings: &Settings) -> Container {
    let image = format!("registry.k8s.io/kube-controller-manager:{}", tenant.version);
    let resources = RESOURCES.or_configured(names::CONTROLLER_MANAGER, settings);
    Container {
        name: names::CONTROLLER_MANAGER.to_owned(),
        image: Some(settings.control_plane_images.resolve(&image)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(build_command(tenant)),
        env: Some(resources::go_runtime_on_one_processor(GOGC, &resources)),
        resources: Some(resources),
        security_context: Some(pod::container_security(&[])),
        startup_probe: Some(probes::startup(PROBE, "/healthz")),
        readiness_probe: Some(probes::readiness(PROBE, "/healthz")),
        liveness_probe: Some(probes::liveness(PROBE, "/healthz")),
        volume_mounts: Some(vec![
            mounts::mount(CLIENT_CONFIG, CLIENT_CONFIG_DIR),
            mounts::mount(PKI, PKI_DIR),
        ]),
        ..Container::default()
    }
}

fn build_command(tenant: &Tenant) -> Vec<String> {
    let mut command = vec!["kube-controller-manager".to_owned()];
    let kubeconfig = mounts::kubeconfig_path();
    command.extend(
        ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"]
            .map(|flag| format!("{flag}={kubeconfig}")),
    );
    command.extend(
        [
            ("--client-ca-file", "client-ca.crt"),
            // Without it the process ends as long as kube-apiserver refuses connections.
            ("--requestheader-client-ca-file", "front-proxy-ca.crt"),
            ("--root-ca-file", "cluster-ca.crt"),
            ("--service-account-private-key-file", SA_PRIVATE_KEY),
        ]
        .map(|(flag, file)| format!("{flag}={PKI_DIR}/{file}")),
    );
    command.extend(mounts::serving_flags());
    for (signer, ca) in SIGNERS {
        command.push(format!("--cluster-signing-{signer}-cert-file={PKI_DIR}/{ca}.crt"));
        command.push(format!("--cluster-signing-{signer}-key-file={PKI_DIR}/{ca}.key"));
    }
    command.extend([
        format!("--cluster-cidr={}", networks::joined(&tenant.pod_cidrs)),
        format!("--service-cluster-ip-range={}", networks::joined(&tenant.service_cidrs)),
    ]);
    command.extend(
        [
            "--allocate-node-cidrs=true",
            // As kubeadm's default; also the clusterName of kubeadm-config.
            "--cluster-name=kubernetes",
            // A node that is gone stops being trusted after a month.
            "--cluster-signing-duration=720h",
            &build_controllers(tenant),
            "--use-service-account-credentials=true",
            // With the defaults (20 and 30) a new cluster waits 5 s for its first service account.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--leader-elect=false",
            "--profiling=false",
            // CIS 1.3.1: the default of 12500 would fill a small etcd with pods that have ended.
            "--terminated-pod-gc-threshold=1000",
        ]
        .map(str::to_owned),
    );
    command
}

/// Without those that mark nodes, empty the endpoints of their pods and evict them, while the nodes are cut off. All others
/// go on: certificates are signed, and `EndpointSlices` follow what pods say of themselves.
fn build_controllers(tenant: &Tenant) -> String {
    let but = match tenant.cut_off_since {
        Some(_) => ",-node-lifecycle-controller,-taint-eviction-controller",
        None => "",
    };
    format!("--controllers=*,bootstrapsigner,tokencleaner{but}")
}
