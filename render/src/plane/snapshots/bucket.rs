//! What the Jobs that save and restore etcd have more where snapshots are kept in a bucket: credentials, and room
//! for one snapshot on its way.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, Secret, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::bucket_keys;

use super::super::{mounts, names, pod};
use crate::snapshots::Bucket;
use crate::tenant::Tenant;

/// etcd writes a little beyond its quota, and a restore has files beside the database: 256 MiB.
const BEYOND_QUOTA: u64 = 256 << 20;
const BUCKET: &str = "s3";
const BUCKET_DIR: &str = "/etc/nagaya/s3";

/// The tenant's credentials, where a pod of its control plane can mount them. `given`: the Secret that the spec
/// names, if it is there; without it the Job says what is missing.
#[must_use]
pub fn build_bucket_secret(tenant: &Tenant, given: Option<&Secret>) -> Secret {
    let value = |key: &str| given.and_then(|given| given.data.as_ref()?.get(key)).cloned();
    let data = bucket_keys::ALL.iter().filter_map(|key| Some(((*key).to_owned(), value(key)?)));
    let data: std::collections::BTreeMap<String, ByteString> = data.collect();
    Secret {
        metadata: pod::metadata(tenant, names::SNAPSHOT_BUCKET, names::ETCD_SNAPSHOT),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// What `nagaya snapshot` has to know of a bucket.
pub(super) fn options(bucket: &Bucket, namespace: &str) -> Vec<String> {
    let Bucket { endpoint, name, region, folder, secret } = bucket;
    vec![
        format!("--endpoint={endpoint}"),
        format!("--bucket={name}"),
        format!("--region={region}"),
        format!("--folder={folder}"),
        format!("--credentials={BUCKET_DIR}"),
        format!("--secret={namespace}/{secret}"),
    ]
}

pub(super) fn credentials_volume() -> Volume {
    Volume {
        name: BUCKET.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::SNAPSHOT_BUCKET.to_owned()),
            default_mode: Some(mounts::FILE_MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn credentials_mount() -> VolumeMount {
    mounts::mount(BUCKET, BUCKET_DIR)
}

/// Room on the node for as long as the Job's pod is there. A pod that fills more is ended before its neighbours are.
pub(super) fn passing_volume(name: &str, quota: u64) -> Volume {
    let limit = Quantity(quota.saturating_add(BEYOND_QUOTA).to_string());
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(limit), medium: None }),
        ..Volume::default()
    }
}
