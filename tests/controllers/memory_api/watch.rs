//! Watches: a body that goes on with every change of what was asked for.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use futures::stream::{self, Stream};
use hyper::body::{Bytes, Frame};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::MemoryApi;
use super::answer::{self, AsAsked};
use super::kinds::Kind;
use super::refusal::Refusal;
use super::request::Request;
use super::select::Selector;
use super::store::Change;
use super::storm::Trouble;

/// What kube-apiserver takes if the client does not say.
const USUAL_SECONDS: u64 = 1800;
/// How often it says how far it is to who asks for that (`defaultBookmarkFrequency`).
const BOOKMARKS: Duration = Duration::from_mins(1);

struct Watch {
    api: MemoryApi,
    kind: &'static Kind,
    namespace: Option<String>,
    selector: Selector,
    metadata_only: bool,
    /// Everything up to this version has been looked at.
    version: u64,
    ends: Instant,
    /// When it says next how far it is.
    bookmark: Option<Instant>,
    trouble: Trouble,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    what: &'static str,
    object: AsAsked<'a>,
}

/// The events after the resourceVersion that the request names, until its time is over.
pub fn open(
    api: &MemoryApi,
    request: &Request,
    trouble: Trouble,
) -> Result<impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + use<>, Refusal> {
    if request.parameter("sendInitialEvents").is_some() {
        return Err(Refusal::not_played("send initial events"));
    }
    if trouble.refused {
        return Err(Refusal::on_purpose(410));
    }
    let number = |name| request.parameter(name).and_then(|value| value.parse::<u64>().ok());
    let seconds = number("timeoutSeconds").unwrap_or(USUAL_SECONDS);
    let version = number("resourceVersion").filter(|version| *version > 0);
    let watch = Watch {
        api: api.clone(),
        kind: request.kind,
        namespace: request.namespace.clone(),
        selector: Selector::of(request)?,
        metadata_only: request.metadata_only,
        version: version.ok_or_else(|| Refusal::not_played("watch from no version"))?,
        ends: Instant::now() + Duration::from_secs(seconds),
        bookmark: (request.parameter("allowWatchBookmarks") == Some("true"))
            .then(|| Instant::now() + BOOKMARKS),
        trouble,
    };
    Ok(stream::unfold(watch, |mut watch| async {
        watch.next().await.map(|lines| (Ok(Frame::data(Bytes::from(lines))), watch))
    }))
}

impl Watch {
    /// What has happened, a line for each event; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let mut shown = self.api.shown();
        if self.trouble.mute {
            sleep_until(self.ends).await;
            return None;
        }
        loop {
            let version = *shown.borrow_and_update();
            if self.api.is_out() {
                return None;
            }
            let events = self.events_until(version);
            if !events.is_empty() {
                if !self.trouble.delay.is_zero() {
                    sleep(self.trouble.delay).await;
                }
                return self.sent(&events);
            }
            // One that has kept events back has ended, though its client has not heard of it.
            let due = self.bookmark.filter(|due| *due < self.ends && !self.has_ended());
            match timeout_at(due.unwrap_or(self.ends), shown.changed()).await {
                Ok(Ok(())) => {}
                Err(_) if due.is_some() => return Some(self.bookmark()),
                _ => return None,
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.trouble.ends_after == Some(0)
    }

    fn bookmark(&mut self) -> String {
        self.bookmark = Some(Instant::now() + BOOKMARKS);
        let object = json!({
            "kind": self.kind.name, "apiVersion": self.kind.api_version(),
            "metadata": {"resourceVersion": self.version.to_string()},
        });
        let object = AsAsked::of(&object, self.metadata_only);
        answer::json(&Event { what: "BOOKMARK", object }) + "\n"
    }

    /// The events as lines; `None`: it has ended.
    fn sent(&mut self, events: &[String]) -> Option<String> {
        let mut lines = String::new();
        for event in events {
            match &mut self.trouble.ends_after {
                Some(0) if !self.trouble.with_gone => break,
                Some(0) => {
                    self.trouble.with_gone = false;
                    let status = Refusal::on_purpose(410).status();
                    let _ = writeln!(lines, "{}", json!({"type": "ERROR", "object": status}));
                    break;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            let times = if self.trouble.twice { 2 } else { 1 };
            for _ in 0..times {
                lines += event;
                lines.push('\n');
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    fn events_until(&mut self, version: u64) -> Vec<String> {
        let store = self.api.lock();
        if store.lagging.contains(self.kind.name) {
            return Vec::new();
        }
        let all = store.since(self.version).iter().filter(|change| change.version <= version);
        let events = all.filter_map(|change| self.event(change)).collect();
        self.version = self.version.max(version);
        events
    }

    /// An object that comes to match has been added for this watch, one that ceases to is deleted.
    fn event(&self, change: &Change) -> Option<String> {
        if change.id.kind != self.kind.name
            || self.namespace.as_ref().is_some_and(|namespace| *namespace != change.id.namespace)
        {
            return None;
        }
        let before = change.before.as_ref().filter(|object| self.selector.matches(object));
        let after = change.after.as_ref().filter(|object| self.selector.matches(object));
        let told = |what: &'static str, object: &Value| {
            let object = AsAsked::of(object, self.metadata_only);
            Some(answer::json(&Event { what, object }))
        };
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => told("ADDED", after),
            (Some(_), Some(after)) => told("MODIFIED", after),
            (Some(before), None) => {
                // As it was, with the version of its end.
                let mut last = before.as_ref().clone();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                told("DELETED", &last)
            }
        }
    }
}
