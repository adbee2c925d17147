//! Objects that are made once and never changed: CA keys, service-account keys, tokens.

use kube::ResourceExt;
use kube::api::{Api, PostParams};
use nagaya_api::labels;

use super::error::{Error, describe, is_status, to_json};
use super::{Object, ownership};

/// What [`create_once`] came to. Either way it is the one that counts from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created<K> {
    /// It did not exist; this is ours.
    Made(K),
    /// It existed, and is unchanged.
    Existed(K),
}

impl<K> Created<K> {
    /// The object that exists now.
    pub fn into_inner(self) -> K {
        match self {
            Self::Made(object) | Self::Existed(object) => object,
        }
    }
}

/// POSTs `desired`; if an object of that name exists, reads and returns that one instead.
///
/// Nothing that was minted from a stale cache can replace a CA this way: the API server decides who
/// was first, and everybody goes on with that.
///
/// # Errors
/// [`Error::ForeignObject`] if the one that exists is not ours.
pub async fn create_once<K: Object>(api: &Api<K>, desired: &K) -> Result<Created<K>, Error> {
    let json = to_json(desired)?;
    let params =
        PostParams { field_manager: Some(labels::MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, desired).await {
        Ok(made) => Ok(Created::Made(made)),
        Err(error) if is_status(&error, kube::core::Status::is_already_exists) => {
            let existing = api
                .get_opt(&desired.name_any())
                .await
                .map_err(|source| Error::of_call("get", &json, source))?
                .ok_or_else(|| Error::ObjectChanged { object: describe(&json) })?;
            ownership::check(existing.meta(), &json)?;
            Ok(Created::Existed(existing))
        }
        Err(source) => Err(Error::of_call("create", &json, source)),
    }
}
