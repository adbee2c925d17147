//! A namespace that was deleted and is still there.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;

use super::{Blockage, Blocked, name_of};

/// The namespace controller needs up to 10 s for what holds nobody up.
const USUAL: SignedDuration = SignedDuration::from_secs(15);

/// What the namespace controller says it cannot remove: kinds, finalizers, and API groups that do not answer
/// (`pkg/controller/namespace/deletion/status_condition_utils.go`). `None`: it is on its way.
#[must_use]
pub fn why_not_gone(namespace: &Namespace, now: Timestamp) -> Option<Blocked> {
    let since = namespace.metadata.deletion_timestamp.as_ref()?.0;
    if now.duration_since(since) < USUAL {
        return None;
    }
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let said: Vec<&str> = conditions
        .filter(|one| one.status == "True")
        .filter_map(|one| one.message.as_deref())
        .collect();
    if said.is_empty() {
        return None;
    }
    let namespace = name_of(&namespace.metadata);
    let blockage = Blockage::NamespaceStuck { namespace, why: said.join("; ") };
    Some(Blocked::new(blockage, Some(since)))
}
