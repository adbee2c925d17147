//! The Jobs that save and restore etcd, and the volume between them. Nothing of this is there while neither happens,
//! but for the volume.
//!
//! | file | what |
//! |---|---|
//! | `bucket.rs` | what changes where they go to a bucket |
//! | `recovery.rs` | what comes along there, for a control plane whose namespace is gone |

mod bucket;
mod recovery;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Container, PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, PodAffinity,
    PodAffinityTerm, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use nagaya_api::labels;
use sha2::{Digest, Sha256};

pub use bucket::build_bucket_secret;

use super::etcd::{self, DATA, DATA_DIR, USER};
use super::mounts::{self, Files, PKI, PKI_DIR};
use super::pod::{self, Pod};
use super::resources::Defaults;
use super::{claims, names};
use crate::certificates::Authority;
use crate::certificates::secret_data::{SA_PRIVATE_KEY, SA_PUBLIC_KEY};
use crate::minors::ETCD_IMAGE;
use crate::settings::Settings;
use crate::snapshots::snapshot_name;
use crate::tenant::Tenant;

const SNAPSHOTS: &str = "snapshots";
const SNAPSHOTS_DIR: &str = "/var/lib/etcd-snapshots";
const KEYS: &str = "keys";
const KEYS_DIR: &str = "/etc/kubernetes/keys";

/// Seconds that a snapshot or a restore may take.
const DEADLINE: i64 = 30 * 60;
/// Seconds that a Job stays whose manager never came back for it.
const STAYS: i32 = 24 * 60 * 60;

/// A file at a time is read or written; etcd's tools map the database.
const TOOL_RESOURCES: Defaults = Defaults { cpu: "10m", memory: "32Mi", memory_limit: "2Gi" };
const OWN_RESOURCES: Defaults = Defaults { cpu: "10m", memory: "16Mi", memory_limit: "64Mi" };

/// The claim of the snapshots' volume.
#[must_use]
pub fn build_snapshots_claim(tenant: &Tenant) -> PersistentVolumeClaim {
    let asked = &tenant.snapshots;
    PersistentVolumeClaim {
        metadata: pod::metadata(tenant, names::ETCD_SNAPSHOTS, names::ETCD_SNAPSHOT),
        spec: Some(claims::build_spec(&asked.storage_size, asked.storage_class.as_ref())),
        ..PersistentVolumeClaim::default()
    }
}

/// Saves etcd, the keys that a restore elsewhere needs, and what there is to know about both.
#[must_use]
pub fn build_snapshot_job(
    tenant: &Tenant,
    settings: &Settings,
    reason: &str,
    now: Timestamp,
) -> Job {
    let name = snapshot_name(now);
    let file = format!("{SNAPSHOTS_DIR}/{name}.db");
    let mut command = ["etcdctl", "snapshot", "save"].map(str::to_owned).to_vec();
    command.extend([
        file,
        format!("--endpoints=https://{}:{}", names::ETCD_CLIENT, names::ETCD_CLIENT_PORT),
        format!("--cacert={PKI_DIR}/ca.crt"),
        format!("--cert={PKI_DIR}/client.crt"),
        format!("--key={PKI_DIR}/client.key"),
    ]);
    let mounts = vec![writable(SNAPSHOTS, SNAPSHOTS_DIR), mounts::mount(PKI, PKI_DIR)];
    let save = etcd_container("save", command, mounts, settings);
    let client = Files::pair_of(names::SNAPSHOT_CLIENT, "client");
    let mut volumes = vec![
        kept_on(tenant),
        mounts::volume(PKI, vec![Files::certificate(Authority::Etcd, "ca"), client]),
        keys_volume(),
    ];
    let mut mounts = vec![writable(SNAPSHOTS, SNAPSHOTS_DIR), mounts::mount(KEYS, KEYS_DIR)];
    let verb = if tenant.snapshots.bucket.is_some() { "upload" } else { "finish" };
    let mut finish = vec![
        verb.to_owned(),
        format!("--directory={SNAPSHOTS_DIR}"),
        format!("--name={name}"),
        format!("--kubernetes-version={}", tenant.upgrading_from.unwrap_or(tenant.version)),
        format!("--reason={reason}"),
        format!("--keep={}", tenant.snapshots.keep),
        format!("--keys={KEYS_DIR}"),
    ];
    finish.extend(tenant.snapshots.restoring.as_deref().map(protect));
    let mut before = Vec::new();
    if let Some(bucket) = &tenant.snapshots.bucket {
        finish.extend(bucket::options(bucket, &tenant.namespace));
        // Kubernetes replaces $(NAME) in arguments, and takes two dollars for one.
        let recovery = recovery::build_recovery(tenant).to_string().replace('$', "$$");
        finish.push(format!("--recovery={recovery}"));
        mounts.push(bucket::credentials_mount());
        volumes.push(bucket::credentials_volume());
    } else {
        before.push(make_room(tenant, settings));
    }
    before.push(save);
    let finish = own_container(finish, mounts, settings);
    let pod = job_pod(names::ETCD_SNAPSHOT, before, finish, volumes);
    build_job(tenant, settings, pod, &name, (labels::SNAPSHOT_REASON, reason))
}

/// A volume that is full would refuse the snapshot before the oldest one goes.
fn make_room(tenant: &Tenant, settings: &Settings) -> Container {
    let mut room = vec![
        "room".to_owned(),
        format!("--directory={SNAPSHOTS_DIR}"),
        format!("--keep={}", tenant.snapshots.keep),
    ];
    room.extend(tenant.snapshots.restoring.as_deref().map(protect));
    own_container(room, vec![writable(SNAPSHOTS, SNAPSHOTS_DIR)], settings)
}

/// What is about to be restored stays, however old it is.
fn protect(snapshot: &str) -> String {
    format!("--protect={snapshot}")
}

/// Fills the volume of `etcd-0` with a snapshot. Its last step alone changes what is there.
///
/// `keep_old`: the files of before stay beside it.
#[must_use]
pub fn build_restore_job(
    tenant: &Tenant,
    settings: &Settings,
    snapshot: &str,
    keep_old: bool,
    now: Timestamp,
) -> Job {
    let file = format!("{SNAPSHOTS_DIR}/{snapshot}.db");
    let data = format!("--data={DATA_DIR}");
    let both = || vec![mounts::mount(SNAPSHOTS, SNAPSHOTS_DIR), writable(DATA, DATA_DIR)];
    let prepare = own_container(
        vec!["prepare".to_owned(), format!("--file={file}"), data.clone()],
        both(),
        settings,
    );
    let restore = etcd_container("restore", fill(tenant, file.clone(), now), both(), settings);
    let mut place =
        vec!["place".to_owned(), data, format!("--aside=member.before-{}", snapshot_name(now))];
    if keep_old {
        place.push("--keep-old".to_owned());
    }
    let place = own_container(place, vec![writable(DATA, DATA_DIR)], settings);
    let mut volumes = vec![kept_on(tenant), claim_volume(DATA, &etcd::claim_name(&first_member()))];
    let mut steps = vec![prepare, restore];
    if let Some(bucket) = &tenant.snapshots.bucket {
        let mut fetch =
            vec!["fetch".to_owned(), format!("--name={snapshot}"), format!("--file={file}")];
        fetch.extend(bucket::options(bucket, &tenant.namespace));
        let mounts = vec![writable(SNAPSHOTS, SNAPSHOTS_DIR), bucket::credentials_mount()];
        steps.insert(0, own_container(fetch, mounts, settings));
        volumes.push(bucket::credentials_volume());
    }
    let pod = job_pod(names::ETCD_RESTORE, steps, place, volumes);
    let digest = Sha256::digest(snapshot);
    let name = digest[..5].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    build_job(tenant, settings, pod, &name, (labels::RESTORES, snapshot))
}

/// As a cluster of one member; others join it later.
fn fill(tenant: &Tenant, file: String, now: Timestamp) -> Vec<String> {
    let member = first_member();
    let peer_url = names::etcd_peer_url(&tenant.plane_namespace, 0);
    let mut command = ["etcdutl", "snapshot", "restore"].map(str::to_owned).to_vec();
    command.extend([
        file,
        format!("--name={member}"),
        format!("--initial-cluster={member}={peer_url}"),
        // Another cluster than before: a member of that one can never meet this one.
        format!("--initial-cluster-token={}-{}", tenant.plane_namespace, snapshot_name(now)),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--data-dir={DATA_DIR}/restored"),
        // Beyond any revision that a client has seen: its watches are told that they missed something.
        "--bump-revision=1000000000".to_owned(),
        "--mark-compacted".to_owned(),
    ]);
    command
}

fn first_member() -> String {
    format!("{}-0", names::ETCD)
}

fn job_pod(
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
        volumes,
        grace: 30,
        priority: names::CONTROLLER_PRIORITY,
        replicated: false,
        read_at_start: &[],
    }
}

fn build_job(
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

fn etcd_container(
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
fn own_container(
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

/// What a restore needs where the Secrets are gone too, a directory for each.
fn keys_volume() -> Volume {
    let files = Authority::all().map(|authority| {
        let name = authority.secret_name();
        if authority == Authority::ServiceAccount {
            Files::in_directory(name, &[SA_PRIVATE_KEY, SA_PUBLIC_KEY])
        } else {
            Files::in_directory(name, &mounts::PAIR)
        }
    });
    mounts::volume(KEYS, files.collect())
}

/// The volume that snapshots stay on, or pass through on the way to a bucket.
fn kept_on(tenant: &Tenant) -> Volume {
    match tenant.snapshots.bucket {
        Some(_) => bucket::passing_volume(SNAPSHOTS, tenant.etcd.quota),
        None => claim_volume(SNAPSHOTS, names::ETCD_SNAPSHOTS),
    }
}

fn claim_volume(name: &str, claim: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

fn writable(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: None, ..mounts::mount(volume, path) }
}
