//! The Jobs that save and restore etcd, and the volume between them. Nothing of this is there while neither happens,
//! but for the volume.
//!
//! | file | what |
//! |---|---|
//! | `save.rs` | the Job that saves |
//! | `restore.rs` | the Job that restores |
//! | `job.rs` | what both have in common |
//! | `bucket.rs` | what changes where they go to a bucket |
//! | `recovery.rs` | what comes along there, for a control plane whose namespace is gone |

mod bucket;
mod job;
mod recovery;
mod restore;
mod save;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Volume, VolumeMount,
};

pub use bucket::build_bucket_secret;
pub use restore::build_restore_job;
pub use save::build_snapshot_job;

use super::{claims, mounts, names, pod};
use crate::tenant::Tenant;

const SNAPSHOTS: &str = "snapshots";
const SNAPSHOTS_DIR: &str = "/var/lib/etcd-snapshots";

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
