//! Finalizers: deletion of an object waits for whoever holds one.

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use nagaya_api::labels;
use serde_json::json;

use super::Object;
use super::error::Error;

/// Whether deletion of `object` waits for `finalizer`.
pub fn is_held(object: &impl Resource, finalizer: &str) -> bool {
    object.finalizers().iter().any(|held| held == finalizer)
}

/// Makes sure that deletion waits. To be called before anything is made that has to be cleaned up. Returns the object as
/// it is since, if it was not held before.
///
/// # Errors
/// [`Error::ObjectChanged`] if the object was changed since it was read.
pub async fn hold<K: Object>(
    all: &Api<K>,
    object: &K,
    finalizer: &str,
) -> Result<Option<K>, Error> {
    if is_held(object, finalizer) {
        return Ok(None);
    }
    let mut held = object.finalizers().to_vec();
    held.push(finalizer.to_owned());
    set(all, object, &held).await.map(Some)
}

/// Lets the object go. Gone already is fine.
///
/// # Errors
/// [`Error::ObjectChanged`] if the object was changed since it was read.
pub async fn release<K: Object>(all: &Api<K>, object: &K, finalizer: &str) -> Result<(), Error> {
    if !is_held(object, finalizer) {
        return Ok(());
    }
    let left: Vec<String> =
        object.finalizers().iter().filter(|held| *held != finalizer).cloned().collect();
    match set(all, object, &left).await {
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map(drop),
    }
}

/// The resourceVersion makes this fail rather than undo what another finalizer's owner did meanwhile.
async fn set<K: Object>(all: &Api<K>, object: &K, held: &[String]) -> Result<K, Error> {
    let patch = json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": held,
    }});
    let params =
        PatchParams { field_manager: Some(labels::MANAGER.to_owned()), ..PatchParams::default() };
    all.patch(&object.name_any(), &params, &Patch::Merge(patch))
        .await
        .map_err(|source| Error::of_object("set the finalizers of", object, source))
}
