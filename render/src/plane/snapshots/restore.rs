//! The Job that fills the volume of etcd's first member with a snapshot.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use nagaya_api::labels;
use sha2::{Digest, Sha256};

use super::super::etcd::DATA_DIR;
use super::super::{mounts, names};
use super::job::{build_job, etcd_container, job_pod, own_container};
use super::{SNAPSHOTS, SNAPSHOTS_DIR, bucket, claim_volume, kept_on, writable};
use crate::digest::hex;
use crate::settings::Settings;
use crate::snapshots::snapshot_name;
use crate::tenant::Tenant;

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
    let both =
        || vec![mounts::mount(SNAPSHOTS, SNAPSHOTS_DIR), writable(names::ETCD_DATA, DATA_DIR)];
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
    let place = own_container(place, vec![writable(names::ETCD_DATA, DATA_DIR)], settings);
    let mut volumes = vec![
        kept_on(tenant),
        claim_volume(names::ETCD_DATA, &names::member_claim(&names::member_name(0))),
    ];
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
    let name = hex(&Sha256::digest(snapshot)[..5]);
    build_job(tenant, settings, pod, &name, (labels::RESTORES, snapshot))
}

/// As a cluster of one member; others join it later.
fn fill(tenant: &Tenant, file: String, now: Timestamp) -> Vec<String> {
    let member = names::member_name(0);
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
