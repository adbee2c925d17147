//! How etcd is saved, and what it is to go back to.

use nagaya_api::TenantClusterSpec;

use super::exposure::check_name;
use super::ownership::Owner;
use super::{Refusal, bucket, storage_class};
use crate::minors::KubernetesVersion;
use crate::settings::Settings;
use crate::snapshots::{Bucket, Snapshots};

const FIELD: &str = "spec.restoreFrom.snapshot";

pub(super) fn resolve(
    spec: &TenantClusterSpec,
    settings: &Settings,
    owner: &Owner<'_>,
    version: KubernetesVersion,
) -> Result<Snapshots, Refusal> {
    let (asked, record) = (&spec.snapshots, owner.record);
    if let Some(name) = &asked.volume.class_name {
        check_name("spec.snapshots.volume.className", name)?;
    }
    let mut snapshots = Snapshots::asked_for(asked);
    if let Some(asked) = &asked.s3 {
        bucket::check(asked)?;
        snapshots.bucket = Some(Bucket::of(asked, &owner.namespace, &owner.name));
    }
    snapshots.storage_class =
        snapshots.storage_class.or_else(|| storage_class(spec, settings, record));
    snapshots.taken = record.map(|record| record.snapshots.clone()).unwrap_or_default();
    let Some(wanted) = spec.restore_from.as_ref().map(|from| &from.snapshot) else {
        return Ok(snapshots);
    };
    // What was done is not judged again: the snapshot may be gone by now.
    if record.and_then(|record| record.restored_from.as_ref()) == Some(wanted) {
        return Ok(Snapshots { restored: Some(wanted.clone()), ..snapshots });
    }
    check_restorable(wanted, &snapshots, version)?;
    // What etcd holds until then: whoever goes back to it changes nothing.
    let restored = record.and_then(|record| record.restored_from.clone());
    Ok(Snapshots { restoring: Some(wanted.clone()), restored, ..snapshots })
}

fn check_restorable(
    wanted: &str,
    snapshots: &Snapshots,
    version: KubernetesVersion,
) -> Result<(), Refusal> {
    let Some(found) = snapshots.taken.iter().find(|one| one.name == wanted) else {
        let names: Vec<&str> = snapshots.taken.iter().map(|one| one.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let message = format!("there is no snapshot {wanted}; there are: {there}");
        return Err(Refusal::new(FIELD, message));
    };
    if found.location != snapshots.location() {
        let place = match &found.location {
            Some(location) => format!("in {location}; set spec.snapshots.s3 to that place again"),
            None => "on the volume; take spec.snapshots.s3 away to restore it".to_owned(),
        };
        return Err(Refusal::new(FIELD, format!("snapshot {wanted} is {place}")));
    }
    let taken_at: Option<KubernetesVersion> = found.version.parse().ok();
    if taken_at.is_some_and(|taken_at| taken_at.minor > version.minor) {
        return Err(Refusal::new(
            FIELD,
            format!(
                "snapshot {wanted} is of {}, which {version} may not be able to read; name an older one",
                found.version
            ),
        ));
    }
    Ok(())
}
