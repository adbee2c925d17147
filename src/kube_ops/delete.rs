//! Deletes exactly the object that was looked at.

use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Preconditions};

use super::Object;
use super::error::{Error, is_status, to_json};

/// Deletes `live` if it is still exactly as it was read; gone already is fine too.
///
/// Dependents go in the background.
///
/// # Errors
/// [`Error::ObjectChanged`] if it was changed or made again since it was read.
pub async fn delete<K: Object>(api: &Api<K>, live: &K) -> Result<(), Error> {
    let preconditions =
        Preconditions { uid: live.uid(), resource_version: live.resource_version() };
    send(api, live, DeleteParams::background().preconditions(preconditions)).await
}

/// Deletes `live` whatever has changed in it since (a pod's status always does), but no other object
/// of that name, with `grace_period_seconds` for its processes to end.
///
/// # Errors
/// [`Error::ObjectChanged`] if it was made again since it was read.
pub async fn delete_with_grace<K: Object>(
    api: &Api<K>,
    live: &K,
    grace_period_seconds: u32,
) -> Result<(), Error> {
    let preconditions = Preconditions { uid: live.uid(), resource_version: None };
    let params =
        DeleteParams::background().preconditions(preconditions).grace_period(grace_period_seconds);
    send(api, live, params).await
}

async fn send<K: Object>(api: &Api<K>, live: &K, params: DeleteParams) -> Result<(), Error> {
    match api.delete(&live.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(error) if is_status(&error, kube::core::Status::is_not_found) => Ok(()),
        Err(source) => Err(Error::of_call("delete", &to_json(live)?, source)),
    }
}
