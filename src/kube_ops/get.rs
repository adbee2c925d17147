//! Reads: by name wherever possible.

use kube::Api;
use kube::api::ListParams;

use super::Object;
use super::error::Error;

/// The object called `name`, if it exists.
///
/// # Errors
/// [`Error::ApiCall`].
pub async fn get<K: Object>(api: &Api<K>, name: &str) -> Result<Option<K>, Error>
where
    K::DynamicType: Default,
{
    api.get_opt(name).await.map_err(|source| Error::ApiCall {
        verb: "get",
        object: format!("{} {name}", K::kind(&K::DynamicType::default())),
        source: Box::new(source),
    })
}

/// Objects of one namespace, or of all. For rare moments only: what has to be known in every pass is in a cache.
///
/// # Errors
/// [`Error::ApiCall`].
pub async fn list<K: Object>(api: &Api<K>, params: &ListParams) -> Result<Vec<K>, Error>
where
    K::DynamicType: Default,
{
    let found = api.list(params).await.map_err(|source| Error::ApiCall {
        verb: "list",
        object: K::plural(&K::DynamicType::default()).into_owned(),
        source: Box::new(source),
    })?;
    Ok(found.items)
}
