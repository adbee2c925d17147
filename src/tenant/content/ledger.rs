//! What we know of each of our objects in one tenant: what was applied last, and what a watch saw last.
//! An object is due when either differs. No object is kept, only a digest and a version.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Kinds whose status changes all the time: of these only the spec counts.
const KINDS_WITH_STATUS: [&str; 2] = ["DaemonSet", "Deployment"];

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    objects: Mutex<HashMap<String, Entry>>,
}

/// A state of an object, told apart from the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// It exists.
    At(String),
    /// It does not exist, or no longer carries our label.
    Gone,
}

#[derive(Debug)]
struct Entry {
    digest: u64,
    applied: Version,
    /// `None` until a watch has seen it.
    seen: Option<Version>,
}

impl Version {
    /// The version of an object that exists.
    pub(crate) fn of(kind: &str, metadata: &ObjectMeta) -> Self {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        Self::At(if KINDS_WITH_STATUS.contains(&kind) {
            format!("{uid} generation {}", metadata.generation.unwrap_or_default())
        } else {
            metadata.resource_version.clone().unwrap_or_default()
        })
    }
}

impl Entry {
    fn has_drifted(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| *seen != self.applied)
    }
}

impl Ledger {
    /// Whether the object has to be looked at: other content is wanted, or somebody touched it.
    pub(crate) fn is_due(&self, id: &str, digest: u64) -> bool {
        self.lock().get(id).is_none_or(|entry| entry.digest != digest || entry.has_drifted())
    }

    /// The object is as it should be, at this version.
    pub(crate) fn applied(&self, id: String, digest: u64, applied: Version) {
        let mut objects = self.lock();
        // A watch may have seen this very write, or a change after it, before the answer came back: what
        // it saw last is kept, unless that is what the last apply left.
        let before = objects.remove(&id);
        let seen = before.and_then(|entry| entry.seen.filter(|seen| *seen != entry.applied));
        objects.insert(id, Entry { digest, applied, seen });
    }

    /// A watch saw the object at this version; tells whether it has to be looked at.
    pub(crate) fn seen(&self, id: &str, version: Version) -> bool {
        let mut objects = self.lock();
        let Some(entry) = objects.get_mut(id) else {
            return false;
        };
        entry.seen = Some(version);
        entry.has_drifted()
    }

    /// A watch listed all of a kind: what it did not name is gone. Tells whether something is.
    pub(crate) fn listed(&self, kind: &str, names: &HashSet<String>) -> bool {
        let mut objects = self.lock();
        let missing = objects
            .iter_mut()
            .filter(|(id, _)| id.split(' ').next() == Some(kind) && !names.contains(id.as_str()));
        let mut some = false;
        for (_, entry) in missing {
            entry.seen = Some(Version::Gone);
            some = true;
        }
        some
    }

    #[cfg(test)]
    pub(crate) fn has_drifted(&self) -> bool {
        self.lock().values().any(Entry::has_drifted)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ConfigMap kube-system/kubelet-config";

    fn at(version: &str) -> Version {
        Version::At(version.to_owned())
    }

    fn applied() -> Ledger {
        let ledger = Ledger::default();
        ledger.applied(ID.to_owned(), 1, at("5"));
        ledger
    }

    #[test]
    fn an_object_never_applied_is_due() {
        assert!(Ledger::default().is_due(ID, 1));
    }

    #[test]
    fn an_applied_object_is_due_again_only_for_other_content() {
        assert!(!applied().is_due(ID, 1));
        assert!(applied().is_due(ID, 2));
    }

    #[test]
    fn our_own_write_seen_by_the_watch_is_no_drift() {
        let ledger = applied();
        assert!(!ledger.seen(ID, at("5")));
        assert!(!ledger.is_due(ID, 1));
    }

    #[test]
    fn a_foreign_change_makes_the_object_due_until_it_is_applied_again() {
        let ledger = applied();
        assert!(ledger.seen(ID, at("6")));
        assert!(ledger.is_due(ID, 1));
        assert!(ledger.has_drifted());
        ledger.applied(ID.to_owned(), 1, at("7"));
        ledger.seen(ID, at("7"));
        assert!(!ledger.is_due(ID, 1));
    }

    #[test]
    fn a_write_that_the_watch_sees_before_its_answer_is_no_drift() {
        let ledger = applied();
        ledger.seen(ID, at("6"));
        ledger.applied(ID.to_owned(), 1, at("6"));
        assert!(!ledger.is_due(ID, 1));
    }

    #[test]
    fn a_foreign_change_right_after_our_write_is_not_lost() {
        let ledger = applied();
        ledger.seen(ID, at("6"));
        ledger.seen(ID, at("7"));
        ledger.applied(ID.to_owned(), 1, at("6"));
        assert!(ledger.is_due(ID, 1));
    }

    #[test]
    fn an_object_missing_from_a_list_of_its_kind_is_due() {
        let ledger = applied();
        assert!(!ledger.listed("Secret", &HashSet::new()));
        assert!(!ledger.listed("ConfigMap", &HashSet::from([ID.to_owned()])));
        assert!(ledger.listed("ConfigMap", &HashSet::new()));
        assert!(ledger.is_due(ID, 1));
    }

    #[test]
    fn the_status_of_a_workload_is_no_drift_but_its_spec_is() {
        let metadata = |generation, version: &str| ObjectMeta {
            generation: Some(generation),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        };
        let of = |kind, generation, version| Version::of(kind, &metadata(generation, version));
        assert_eq!(of("Deployment", 1, "5"), of("Deployment", 1, "6"));
        assert_ne!(of("Deployment", 1, "5"), of("Deployment", 2, "6"));
        assert_ne!(of("ConfigMap", 1, "5"), of("ConfigMap", 1, "6"));
    }
}
