//! Volume claims that stay without a volume.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;

use super::refusals::last_seen;
use super::{Blockage, Blocked, Evidence, name_of};

/// A provisioner needs seconds; what takes longer is told.
const USUAL: SignedDuration = SignedDuration::from_secs(15);
/// Set by the scheduler when a claim's turn has come (`volume.kubernetes.io/selected-node`).
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn judge(
    claim: &PersistentVolumeClaim,
    evidence: &Evidence,
    now: Timestamp,
) -> Option<Blocked> {
    let name = name_of(&claim.metadata);
    let since = claim.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let spec = claim.spec.as_ref()?;
    let blockage = match claim.status.as_ref()?.phase.as_deref()? {
        "Lost" => {
            let volume = spec.volume_name.clone().unwrap_or_default();
            let lost = status_set(claim);
            return Some(Blocked::new(Blockage::VolumeLost { claim: name, volume }, lost));
        }
        "Pending" => match class_of(spec.storage_class_name.as_deref(), evidence) {
            Class::Missing(Some(class)) => Blockage::NoStorageClass { claim: name, class },
            Class::Missing(None) => Blockage::NoDefaultStorageClass { claim: name },
            // Such a claim waits for its pod, and the pod says what for.
            Class::Found(class) if waits_for_a_pod(class, claim) => return None,
            Class::Found(_) | Class::Unknown => {
                if since.is_some_and(|since| now.duration_since(since) < USUAL) {
                    return None;
                }
                Blockage::VolumePending { why: last_words(&name, evidence), claim: name }
            }
        },
        _ => return None,
    };
    Some(Blocked::new(blockage, since))
}

/// When the status was written last; a phase has no time of its own.
fn status_set(claim: &PersistentVolumeClaim) -> Option<Timestamp> {
    let fields = claim.metadata.managed_fields.iter().flatten();
    let of_status = fields.filter(|one| one.subresource.as_deref() == Some("status"));
    of_status.filter_map(|one| one.time.as_ref()).map(|time| time.0).max()
}

enum Class<'a> {
    Found(&'a StorageClass),
    Missing(Option<String>),
    /// Classes were not looked at, or the claim wants none (`""`).
    Unknown,
}

fn class_of<'a>(wanted: Option<&str>, evidence: &'a Evidence) -> Class<'a> {
    let Some(classes) = &evidence.storage_classes else { return Class::Unknown };
    let found = match wanted {
        Some("") => return Class::Unknown,
        Some(name) => classes.iter().find(|class| class.metadata.name.as_deref() == Some(name)),
        None => classes.iter().find(|class| is_default(class)),
    };
    found.map_or_else(|| Class::Missing(wanted.map(str::to_owned)), Class::Found)
}

fn is_default(class: &StorageClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(IS_DEFAULT)).is_some_and(|value| value == "true")
}

fn waits_for_a_pod(class: &StorageClass, claim: &PersistentVolumeClaim) -> bool {
    let annotations = claim.metadata.annotations.as_ref();
    class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
        && !annotations.is_some_and(|all| all.contains_key(SELECTED_NODE))
}

/// The newest thing that the volume controller or a provisioner has said.
fn last_words(claim: &str, evidence: &Evidence) -> String {
    let about = evidence.events.iter().filter(|event| {
        event.regarding.as_ref().is_some_and(|object| {
            object.kind.as_deref() == Some("PersistentVolumeClaim")
                && object.name.as_deref() == Some(claim)
        })
    });
    about
        .max_by_key(|event| last_seen(event))
        .and_then(|event| event.note.clone())
        .unwrap_or_else(|| "nobody has said why".to_owned())
}
