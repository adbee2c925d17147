//! Server-side apply that does not write what is already there.
//!
//! What is there is not found out by comparing values: the API server normalizes them (quantities,
//! defaults), so a comparison either writes for ever or has to know every kind. Instead two questions
//! are asked about the live object, and both are about what *we* last did:
//!
//! 1. Was the last thing we applied the same as what we want now? Its digest is in an annotation.
//! 2. Do we still own every field of it? The API server takes ownership of a field away from us when
//!    somebody else changes or removes it ([`super::owned_fields`]).
//!
//! Twice yes: nothing differs, nothing is written, on a fresh process too. Else one PATCH undoes the
//! foreign change, or removes what we no longer want, or both.

use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams, ValidationDirective};
use nagaya_api::labels;
use nagaya_render::digest::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::{Error, describe, is_status, to_json};
use super::{Object, owned_fields, ownership, reread, yielded};

/// Annotation: digest of what Nagaya last applied to the object.
pub const APPLIED_DIGEST: &str = "nagaya.dev/applied-digest";

/// What an apply came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied<K> {
    /// The live object had everything; no call was made.
    Unchanged,
    /// The object as the API server holds it now.
    Written(K),
}

/// Makes the live object have all of `desired`, if it is ours or does not exist yet.
///
/// `live` is what was last seen of it (a cache will do). `None` may be wrong: the object is then patched
/// without looking, so where others write too, use [`apply_in_project`].
///
/// If the object has changed since `live`, it is read once, and what is there then decides.
///
/// # Errors
/// [`Error::ForeignObject`] if the live object is not ours, [`Error::ObjectChanged`] if it was made again
/// since, or changes all the time.
pub async fn apply<K: Object>(
    api: &Api<K>,
    live: Option<&K>,
    desired: &K,
) -> Result<Applied<K>, Error> {
    let desired = to_json(desired)?;
    apply_json(api, live, desired, own).await
}

/// All of it, of an object that is ours.
pub(super) fn own(live: &ObjectMeta, desired: &Value) -> Result<Value, Error> {
    ownership::check(live, desired).map(|()| desired.clone())
}

/// Like [`apply`], where somebody else may make an object of that name at any moment.
///
/// A missing object is made by a POST, which cannot hit anything that exists. (Server-side apply has no "only if
/// absent".) What is in it stays ours by that POST too, so that a later apply which leaves a field out does not remove
/// it: only for objects whose fields change, and do not go.
///
/// # Errors
/// As [`apply`]; [`Error::ObjectChanged`] also if an object of that name has just been made.
pub async fn apply_in_project<K: Object>(
    api: &Api<K>,
    live: Option<&K>,
    desired: &K,
) -> Result<Applied<K>, Error> {
    if live.is_some() {
        return apply(api, live, desired).await;
    }
    let desired = to_json(desired)?;
    let object = to_object(marked(&desired), &desired)?;
    let params = PostParams { field_manager: Some(labels::MANAGER.to_owned()), ..default() };
    api.create(&params, &object).await.map(Applied::Written).map_err(|source| {
        if is_status(&source, kube::core::Status::is_already_exists) {
            return Error::ObjectChanged { object: describe(&desired) };
        }
        Error::of_call("create", &desired, source)
    })
}

/// Like [`apply`], whoever made the object: for names that Kubernetes or kubeadm fix. Of `yields`, what another field manager has
/// set stays as it is.
///
/// # Errors
/// [`Error::ObjectChanged`] if the object was made again since `live` was read.
pub async fn take_over<K: Object>(
    api: &Api<K>,
    live: Option<&K>,
    desired: &K,
    yields: &[&[&str]],
) -> Result<Applied<K>, Error> {
    let fit = |live: &ObjectMeta, desired: &Value| Ok(yielded::without(live, desired, yields));
    apply_json(api, live, to_json(desired)?, fit).await
}

async fn apply_json<K: Object>(
    api: &Api<K>,
    live: Option<&K>,
    desired: Value,
    fit: impl Fn(&ObjectMeta, &Value) -> Result<Value, Error>,
) -> Result<Applied<K>, Error> {
    if let Some(live) = live
        && is_applied(live, &fit(live.meta(), &desired)?)
    {
        return Ok(Applied::Unchanged);
    }
    write(api, live, &desired, fit).await
}

/// Makes the call, whatever is there. `fit` is what of `desired` is for an object that exists, or why nothing is.
pub(super) async fn write<K: Object>(
    api: &Api<K>,
    live: Option<&K>,
    desired: &Value,
    fit: impl Fn(&ObjectMeta, &Value) -> Result<Value, Error>,
) -> Result<Applied<K>, Error> {
    let Some(live) = live else { return send(api, desired, None).await };
    match send(api, &fit(live.meta(), desired)?, Some(live.meta())).await {
        Err(Error::ObjectChanged { object }) => {
            let newer = Box::pin(reread::again(api, live, object)).await?;
            let desired = fit(newer.meta(), desired)?;
            if is_applied(&newer, &desired) {
                return Ok(Applied::Unchanged);
            }
            Box::pin(send(api, &desired, Some(newer.meta()))).await
        }
        done => done,
    }
}

/// UID and resourceVersion in an apply are preconditions: if they do not hold, the answer is 409. So what was
/// decided about one state of an object is never done to another, however late it arrives.
async fn send<K: Object>(
    api: &Api<K>,
    desired: &Value,
    live: Option<&ObjectMeta>,
) -> Result<Applied<K>, Error> {
    let mut body = marked(desired);
    if let Some(live) = live {
        body["metadata"]["uid"] = json!(live.uid);
        body["metadata"]["resourceVersion"] = json!(live.resource_version);
    }
    let params = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply(labels::MANAGER).force()
    };
    let written = api.patch(&name_of(desired)?, &params, &Patch::Apply(&body)).await;
    written.map(Applied::Written).map_err(|source| Error::of_call("apply", desired, source))
}

/// Whether [`apply`] would find that `live` is `desired`.
#[must_use]
pub fn is_there<K: Object>(live: &K, desired: &K) -> bool {
    to_json(desired).is_ok_and(|desired| is_applied(live, &desired))
}

/// Nobody has changed what we last applied, and it is what we want.
pub(super) fn is_applied<K: Object>(live: &K, desired: &Value) -> bool {
    let last = live.meta().annotations.as_ref().and_then(|all| all.get(APPLIED_DIGEST));
    last.is_some_and(|last| *last == digest_of(desired))
        && owned_fields::are_all_ours(live.meta(), desired, APPLIED_DIGEST)
}

/// With its digest on it.
fn marked(desired: &Value) -> Value {
    let mut body = desired.clone();
    body["metadata"]["annotations"][APPLIED_DIGEST] = json!(digest_of(desired));
    body
}

/// The maps of `serde_json` are sorted, so equal objects have equal text.
pub(super) fn digest_of(desired: &Value) -> String {
    hex(&Sha256::digest(desired.to_string())[..16])
}

fn name_of(desired: &Value) -> Result<String, Error> {
    desired
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Error::RenderObject { object: describe(desired), why: "no name".to_owned() })
}

fn to_object<K: Object>(json: Value, desired: &Value) -> Result<K, Error> {
    serde_json::from_value(json)
        .map_err(|error| Error::RenderObject { object: describe(desired), why: error.to_string() })
}

fn default<T: Default>() -> T {
    T::default()
}
