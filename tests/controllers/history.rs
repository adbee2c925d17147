//! What must hold at every moment, read from the history of the API server: keys are made once in the life
//! of a control plane and go with it, a control plane goes only when it was deleted, and the finalizer goes last.

use std::collections::BTreeMap;
use std::sync::Arc;

use nagaya_api::labels;
use serde_json::Value;

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

/// Made once: whoever has them trusts what they have signed.
pub const KEYS: [&str; 6] = [
    "client-ca-1",
    "cluster-ca-1",
    "etcd-ca-1",
    "front-proxy-ca-1",
    "kubelet-serving-ca-1",
    "service-account-1",
];

/// What the keys of the plane are now.
pub type Keys = BTreeMap<Id, Value>;

/// Of the plane as it is.
pub fn keys(stage: &Stage) -> Keys {
    stage
        .planes
        .pick(|id, object| is_key(id).then(|| (id.clone(), object["data"].clone())))
        .into_iter()
        .collect()
}

/// Panics if something did not hold since the plane had `keys`.
pub fn check(stage: &Stage, mut keys: Keys) {
    let namespace = Id::new(Kind::named("Namespace"), "", &Stage::plane());
    let mut tenant: Option<Arc<Value>> = None;
    let mut plane: Option<Arc<Value>> = None;
    for change in stage.planes.changes() {
        let (id, after) = (&change.id, change.after.as_deref());
        if *id == tenant_id() {
            if after.is_none() {
                let kept = plane.as_deref().is_none_or(is_retained);
                assert!(kept, "the finalizer went before the control plane");
            }
            tenant.clone_from(&change.after);
        } else if *id == namespace {
            if after.is_none() {
                let deleted = tenant.as_deref().is_none_or(is_ending);
                assert!(deleted, "the control plane of a tenant that nobody deleted has gone");
                keys.clear();
            }
            plane.clone_from(&change.after);
        } else if is_key(id) {
            match after {
                Some(key) => {
                    let data = keys.entry(id.clone()).or_insert_with(|| key["data"].clone());
                    assert_eq!(*data, key["data"], "{id} was made twice");
                }
                None => assert!(plane.as_deref().is_some_and(is_ending), "{id} was deleted"),
            }
        }
    }
}

fn is_key(id: &Id) -> bool {
    id.kind == "Secret" && id.namespace == Stage::plane() && KEYS.contains(&id.name.as_str())
}

fn is_ending(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

fn is_retained(plane: &Value) -> bool {
    plane["metadata"]["annotations"][labels::RETAINED].is_string()
}
