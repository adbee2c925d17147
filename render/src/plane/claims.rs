//! What the volume claims of a plane have in common.

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// A volume for one node at a time; without a class, of the cluster's default one.
pub(super) fn build_spec(size: &str, class: Option<&String>) -> PersistentVolumeClaimSpec {
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity(size.to_owned()))].into()),
            limits: None,
        }),
        storage_class_name: class.cloned(),
        ..PersistentVolumeClaimSpec::default()
    }
}
