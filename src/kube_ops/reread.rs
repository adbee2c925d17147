//! Somebody else wrote first: one more look, so that a pass need not fail and be put off for that.

use kube::ResourceExt;
use kube::api::Api;

use super::Object;
use super::error::{Error, to_json};

/// The object that `seen` was, as it is now.
///
/// # Errors
/// [`Error::ObjectChanged`] of `object` if it is gone or was made again.
pub(super) async fn again<K: Object>(api: &Api<K>, seen: &K, object: String) -> Result<K, Error> {
    let newer = api.get_opt(&seen.name_any()).await;
    let newer = newer.map_err(|source| match to_json(seen) {
        Ok(seen) => Error::of_call("get", &seen, source),
        Err(error) => error,
    })?;
    newer.filter(|newer| newer.uid() == seen.uid()).ok_or(Error::ObjectChanged { object })
}
