//! Follows the objects of one kind in a tenant, mostly their metadata alone: lists it, then watches what becomes of it, for ever.
//!
//! With kube's own watcher, which does the same, a tenant's watches take 74 KiB of the manager's memory instead of 13:
//! it holds 8 KiB for each to read lines into (tokio-util's `FramedRead`), of which neither the size nor the reader can
//! be chosen from outside, and a tenant has thirteen that are silent most of the time. Here a silent one holds nothing
//! but a stream of its connection, whose deadlines it relies on (`tenant/connection.rs`).

use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::{ObjectList, ObjectMeta, PartialObjectMeta, Request, Status, WatchEvent};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::retry::{LONGEST, Retry};
use crate::tenant::TenantKey;

/// Objects in an answer, as client-go's reflectors ask for.
pub(super) const PAGE: u32 = 500;
/// The API server's answer to a resourceVersion that it no longer knows.
const GONE: u16 = 410;
/// After so long all is listed again: one that goes on from a version that etcd has lost since, as with a volume that was
/// rolled back, is told nothing of what happens.
const LIST_AGAIN: Duration = Duration::from_mins(30);

/// What is read of each object.
pub(super) trait Part: DeserializeOwned + Clone {
    /// The API server is asked for metadata alone.
    const METADATA_ONLY: bool;

    fn metadata(&self) -> &ObjectMeta;
}

impl Part for PartialObjectMeta {
    const METADATA_ONLY: bool = true;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

/// What is followed.
pub(super) struct Followed<'a> {
    pub(super) tenant: &'a TenantKey,
    pub(super) client: &'a Client,
    /// The path of all objects of the kind.
    pub(super) path: String,
    /// Which of the objects, and how many in an answer.
    pub(super) list: ListParams,
}

/// Why a watch has to be started again.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Call(#[from] kube::Error),
    #[error(transparent)]
    Request(#[from] kube::core::request::Error),
    #[error("the answer breaks off: {0}")]
    Read(#[from] std::io::Error),
    #[error("the answer is no event of a watch: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the API server ends the watch: {}", .0.message)]
    Ended(Box<Status>),
    #[error("the answer has no resourceVersion")]
    NoVersion,
}

impl Broken {
    /// What was seen until now cannot be gone on from.
    fn is_gone(&self) -> bool {
        match self {
            Self::Ended(status) | Self::Call(kube::Error::Api(status)) => status.code == GONE,
            // A line that is cut off comes again. Any other would stand in the way again.
            Self::Unreadable(error) => !error.is_eof(),
            Self::NoVersion => true,
            Self::Call(_) | Self::Request(_) | Self::Read(_) => false,
        }
    }
}

/// Gives all that happens to `take`; never ends. However a watch ends, the next one waits a little: an API server that
/// ends each at once is not asked without pause.
pub(super) async fn follow<P: Part>(followed: &Followed<'_>, mut take: impl FnMut(Event<P>)) {
    let (mut since, mut retry) = (None, Retry::default());
    let mut listed = Instant::now();
    loop {
        let begun = Instant::now();
        if since.is_none() || listed.elapsed() >= LIST_AGAIN {
            (since, listed) = (None, begun);
        }
        let ended = followed.watch_once(&mut since, &mut retry, &mut take).await;
        if begun.elapsed() >= LONGEST {
            retry.reset();
        }
        if let Err(error) = ended {
            tracing::debug!(tenant = %followed.tenant, path = followed.path, %error, "a watch broke");
            if error.is_gone() {
                since = None;
            }
        }
        sleep(retry.next().unwrap_or(LONGEST)).await;
    }
}

impl Followed<'_> {
    /// Until the API server ends the watch, as it does every few minutes. `since` is the version of what was seen last.
    async fn watch_once<P: Part>(
        &self,
        since: &mut Option<String>,
        retry: &mut Retry,
        take: &mut impl FnMut(Event<P>),
    ) -> Result<(), Broken> {
        let from = match since {
            Some(version) => version,
            None => since.insert(Box::pin(self.list_all(take)).await?),
        };
        let request = self.watch_request::<P>(from)?;
        // Boxed: what is asked takes room only until it is answered.
        let mut lines = pin!(Box::pin(self.client.request_stream(request)).await?.lines());
        while let Some(line) = lines.try_next().await? {
            let version = match serde_json::from_str(&line)? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let version = version_of(&object)?;
                    take(Event::Apply(object));
                    version
                }
                WatchEvent::Deleted(object) => {
                    let version = version_of(&object)?;
                    take(Event::Delete(object));
                    version
                }
                WatchEvent::Bookmark(mark) => known(Some(mark.metadata.resource_version))?,
                WatchEvent::Error(status) => return Err(Broken::Ended(status)),
            };
            *since = Some(version);
            retry.reset();
        }
        Ok(())
    }

    /// Page by page. The version of what was listed.
    async fn list_all<P: Part>(&self, take: &mut impl FnMut(Event<P>)) -> Result<String, Broken> {
        let mut params = self.list.clone();
        take(Event::Init);
        loop {
            let request = Request::new(self.path.as_str());
            let request = if P::METADATA_ONLY {
                request.list_metadata(&params)
            } else {
                request.list(&params)
            };
            let page: ObjectList<P> = self.client.request(request?).await?;
            page.items.into_iter().for_each(|object| take(Event::InitApply(object)));
            if let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) {
                params = params.continue_token(&token);
                continue;
            }
            let version = known(page.metadata.resource_version)?;
            take(Event::InitDone);
            return Ok(version);
        }
    }

    fn watch_request<P: Part>(
        &self,
        since: &str,
    ) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
        let params = WatchParams {
            label_selector: self.list.label_selector.clone(),
            field_selector: self.list.field_selector.clone(),
            ..WatchParams::default()
        };
        let request = Request::new(self.path.as_str());
        if P::METADATA_ONLY {
            request.watch_metadata(&params, since)
        } else {
            request.watch(&params, since)
        }
    }
}

fn version_of(object: &impl Part) -> Result<String, Broken> {
    known(object.metadata().resource_version.clone())
}

fn known(version: Option<String>) -> Result<String, Broken> {
    version.filter(|text| !text.is_empty()).ok_or(Broken::NoVersion)
}

#[cfg(test)]
mod tests;
