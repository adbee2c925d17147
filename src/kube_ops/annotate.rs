//! A note on an object, beside what an apply of ours owns.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use nagaya_api::labels;
use serde_json::json;

use super::{Error, Object};

/// Writes the annotation `key`, or without a value removes it; `verb` is for the error. Under a field manager of its own, so
/// that the next apply leaves it there.
///
/// # Errors
/// [`Error::ObjectChanged`]: it is not the object, or not in the state, that `live` is.
pub async fn annotate<K: Object>(
    api: &Api<K>,
    live: &K,
    verb: &'static str,
    (key, value): (&str, Option<&str>),
) -> Result<(), Error> {
    let patch = json!({"metadata": {
        "uid": live.uid(), "resourceVersion": live.resource_version(), "annotations": {key: value},
    }});
    let params = PatchParams {
        field_manager: Some(labels::RECORD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_metadata(&live.name_any(), &params, &Patch::Merge(patch))
        .await
        .map_err(|source| Error::of_object(verb, live, source))?;
    Ok(())
}
