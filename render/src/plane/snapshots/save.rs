//! The Job that saves etcd, and what a restore elsewhere needs beside its data.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Volume};
use nagaya_api::labels;

use super::super::mounts::{self, Files, PKI, PKI_DIR};
use super::super::names;
use super::job::{build_job, etcd_container, job_pod, own_container};
use super::{SNAPSHOTS, SNAPSHOTS_DIR, bucket, kept_on, recovery, writable};
use crate::certificates::Authority;
use crate::certificates::secret_data::{SA_PRIVATE_KEY, SA_PUBLIC_KEY};
use crate::settings::Settings;
use crate::snapshots::snapshot_name;
use crate::tenant::Tenant;

const KEYS: &str = "keys";
const KEYS_DIR: &str = "/etc/kubernetes/keys";

/// Saves etcd, the keys that a restore elsewhere needs, and what there is to know about both.
#[must_use]
pub fn build_snapshot_job(
    tenant: &Tenant,
    settings: &Settings,
    reason: &str,
    now: Timestamp,
) -> Job {
    let name = snapshot_name(now);
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
    before.push(save(&name, settings));
    let finish = own_container(finish, mounts, settings);
    let pod = job_pod(names::ETCD_SNAPSHOT, before, finish, volumes);
    build_job(tenant, settings, pod, &name, (labels::SNAPSHOT_REASON, reason))
}

fn save(name: &str, settings: &Settings) -> Container {
    let mut command = ["etcdctl", "snapshot", "save"].map(str::to_owned).to_vec();
    command.extend([
        format!("{SNAPSHOTS_DIR}/{name}.db"),
        format!("--endpoints=https://{}:{}", names::ETCD_CLIENT, names::ETCD_CLIENT_PORT),
        format!("--cacert={PKI_DIR}/ca.crt"),
        format!("--cert={PKI_DIR}/client.crt"),
        format!("--key={PKI_DIR}/client.key"),
    ]);
    let mounts = vec![writable(SNAPSHOTS, SNAPSHOTS_DIR), mounts::mount(PKI, PKI_DIR)];
    etcd_container("save", command, mounts, settings)
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
