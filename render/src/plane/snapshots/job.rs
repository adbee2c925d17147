//! What both Jobs have in common: how long they may take, where they run, and their two kinds of containers.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Container, PodAffinity, PodAffinityTerm, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use nagaya_api::labels;

use super::super::etcd::USER;
use super::super::names;
use super::super::pod::{self, Pod};
use super::super::resources::Defaults;
use crate::minors::ETCD_IMAGE;
use crate::settings::Settings;
use crate::tenant::Tenant;

/// Seconds that a snapshot or a restore may take.
const DEADLINE: i64 = 30 * 60;
/// Seconds that a Job stays whose manager never came back for it.
const STAYS: i32 = 24 * 60 * 60;

/// A file at a time is read or written; etcd's tools map the database.
const TOOL_RESOURCES: Defaults = Defaults { cpu: "10m", memory: "32Mi", memory_limit: "2Gi" };
const OWN_RESOURCES: Defaults = Defaults { cpu: "10m", memory: "16Mi", memory_limit: "64Mi" };

pub(super) fn build_job(
    tenant: &Tenant,
    settings: &Settings,
    pod: Pod<'static>,
    name: &str,
    (key, value): (&str, &str),
) -> Job {
    let component = pod.component;
    let mut template = pod.build_template(tenant, settings);
    if let Some(spec) = &mut template.spec {
        spec.restart_policy = Some("Never".to_owned());
        spec.affinity = Some(near_etcd());
    }
    let mut metadata = pod::metadata(tenant, &format!("{component}-{name}"), component);
    let location = tenant.snapshots.location();
    let location = location.map(|location| (labels::SNAPSHOT_LOCATION.to_owned(), location));
    metadata.annotations =
        Some(std::iter::once((key.to_owned(), value.to_owned())).chain(location).collect());
    Job {
        metadata,
        spec: Some(JobSpec {
            active_deadline_seconds: Some(DEADLINE),
            backoff_limit: Some(1),
            // Two at once would write the same files.
            pod_replacement_policy: Some("Failed".to_owned()),
            template,
            ttl_seconds_after_finished: Some(STAYS),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// So that a volume that cannot leave its node is made where etcd's is: a restore needs both in one pod.
fn near_etcd() -> Affinity {
    Affinity {
        pod_affinity: Some(PodAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        label_selector: Some(pod::label_selector(names::ETCD)),
                        topology_key: "kubernetes.io/hostname".to_owned(),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    }
}

pub(super) fn job_pod(
    component: &'static str,
    init_containers: Vec<Container>,
    container: Container,
    volumes: Vec<Volume>,
) -> Pod<'static> {
    Pod {
        component,
        // etcd's: where volumes have no group, its files are for nobody else.
        user: USER,
        init_containers,
        container,
        beside: None,
        volumes,
        grace: 30,
        priority: names::CONTROLLER_PRIORITY,
        replicated: false,
        read_at_start: &[],
    }
}

pub(super) fn etcd_container(
    name: &str,
    command: Vec<String>,
    volume_mounts: Vec<VolumeMount>,
    settings: &Settings,
) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(settings.control_plane_images.resolve(ETCD_IMAGE)),
        command: Some(command),
        resources: Some(TOOL_RESOURCES.or_configured(names::ETCD_SNAPSHOT, settings)),
        volume_mounts: Some(volume_mounts),
        ..container()
    }
}

/// Nagaya's own program, of this very manager: what the plane's pods wait with may be too old to know the verb.
pub(super) fn own_container(
    words: Vec<String>,
    volume_mounts: Vec<VolumeMount>,
    settings: &Settings,
) -> Container {
    let verb = words[0].clone();
    Container {
        name: verb,
        image: Some(settings.control_plane_images.resolve(&settings.manager_image)),
        args: Some(std::iter::once("snapshot".to_owned()).chain(words).collect()),
        resources: Some(OWN_RESOURCES.or_configured(names::ETCD_SNAPSHOT, settings)),
        volume_mounts: Some(volume_mounts),
        ..container()
    }
}

fn container() -> Container {
    Container {
        image_pull_policy: Some("IfNotPresent".to_owned()),
        security_context: Some(pod::container_security(&[])),
        // What it printed last says why it failed.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
