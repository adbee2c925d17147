//! kube-scheduler.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};

use super::mounts::{self, CLIENT_CONFIG, CLIENT_CONFIG_DIR, Files, PKI, PKI_DIR};
use super::pod::{self, Pod};
use super::probes::{self, Endpoint};
use super::resources::{self, Defaults};
use super::{names, wait};
use crate::certificates::Leaf;
use crate::settings::Settings;
use crate::tenant::Tenant;

const USER: i64 = 10_004;

/// Idle: 15 MiB anonymous, 54 with the shared parts of its files.
const RESOURCES: Defaults = Defaults { cpu: "10m", memory: "32Mi", memory_limit: "512Mi" };
const GOGC: u8 = 30;

const PROBE: Endpoint = Endpoint { scheme: "HTTPS", port: 10259 };

/// A StatefulSet for the same reason as [`super::kube_controller_manager`]'s.
pub(super) fn build_scheduler(tenant: &Tenant, settings: &Settings) -> StatefulSet {
    StatefulSet {
        metadata: pod::versioned_metadata(tenant, names::SCHEDULER),
        spec: Some(StatefulSetSpec {
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(1),
            revision_history_limit: Some(2),
            selector: pod::label_selector(names::SCHEDULER),
            template: build_template(tenant, settings),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn build_template(tenant: &Tenant, settings: &Settings) -> PodTemplateSpec {
    Pod {
        component: names::SCHEDULER,
        user: USER,
        init_containers: vec![wait::build_wait_for_api(tenant, settings)],
        container: build_container(tenant, settings),
        beside: None,
        volumes: vec![
            mounts::client_config_volume(Leaf::Scheduler),
            mounts::volume(PKI, vec![Files::leaf(Leaf::SchedulerServing)]),
        ],
        grace: 10,
        priority: names::CONTROLLER_PRIORITY,
        replicated: false,
        read_at_start: &[],
    }
    .build_template(tenant, settings)
}

fn build_container(tenant: &Tenant, settings: &Settings) -> Container {
    let image = format!("registry.k8s.io/kube-scheduler:{}", tenant.version);
    let resources = RESOURCES.or_configured(names::SCHEDULER, settings);
    Container {
        name: names::SCHEDULER.to_owned(),
        image: Some(settings.control_plane_images.resolve(&image)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(build_command()),
        env: Some(resources::go_runtime_on_one_processor(GOGC, &resources)),
        resources: Some(resources),
        security_context: Some(pod::container_security(&[])),
        startup_probe: Some(probes::startup(PROBE, "/livez")),
        readiness_probe: Some(probes::readiness(PROBE, "/readyz")),
        liveness_probe: Some(probes::liveness(PROBE, "/livez")),
        volume_mounts: Some(vec![
            mounts::mount(CLIENT_CONFIG, CLIENT_CONFIG_DIR),
            mounts::mount(PKI, PKI_DIR),
        ]),
        ..Container::default()
    }
}

fn build_command() -> Vec<String> {
    let kubeconfig = mounts::kubeconfig_path();
    let mut command = vec!["kube-scheduler".to_owned()];
    command.extend(
        ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"]
            .map(|flag| format!("{flag}={kubeconfig}")),
    );
    command.extend(mounts::serving_flags());
    command.extend(["--leader-elect=false", "--profiling=false"].map(str::to_owned));
    command
}
