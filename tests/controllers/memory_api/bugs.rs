//! What operators have got wrong, played between the manager and the API server: what the manager sends or hears is
//! changed as it would be if the manager had that bug. So the fault ring can be tested without a bug in the product.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use kube::client::Body;
use nagaya::kube_ops::apply::APPLIED_DIGEST;
use nagaya_api::labels;
use serde_json::{Value, json};

use super::{Answer, MemoryApi, whole};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A CA whose Secret was not seen is made anew, over the one that is there.
    MakesKeysAnew,
    /// What a write came to is not waited for: one that is lost is taken for done.
    BelievesInLostWrites,
    /// A list that says nothing is left is believed, and the finalizer goes.
    LetsGoTooEarly,
    /// The mark by which a retained plane is found again is not written.
    ForgetsWhatItRetains,
    /// A field that is wanted no longer stays.
    NeverRemovesFields,
    /// Every pass writes what is there already.
    WritesInEveryPass,
    /// What is handed out has no owner, and stays when the owner goes.
    OwnsNothing,
    /// A watch that ended is not opened again.
    IsDeafAfterAWatchEnds,
    /// Deletes what has the name, in whatever namespace.
    DeletesByNameAlone,
    /// A volume claim that nobody needs any more stays.
    LeaksVolumes,
}

/// The bug that the manager has, if any, and what that needs to know.
#[derive(Clone, Debug, Default)]
pub struct Bugs {
    bug: Arc<Mutex<Option<Bug>>>,
    watched: Arc<Mutex<BTreeSet<String>>>,
}

impl Bugs {
    pub fn set(&self, bug: Bug) {
        *self.bug.lock().unwrap() = Some(bug);
    }

    /// What the manager hears when it sends `request` to `api`.
    pub async fn send(&self, api: &MemoryApi, request: Request<Body>) -> Result<Answer, io::Error> {
        let Some(bug) = *self.bug.lock().unwrap() else { return api.serve(request).await };
        let (mut head, body) = request.into_parts();
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let path = head.uri.path().to_owned();
        let applies = head.method == Method::PATCH
            && head.headers[header::CONTENT_TYPE] == "application/apply-patch+yaml"
            && !path.ends_with("/status");
        let lease = path.starts_with("/apis/coordination.k8s.io/");
        if let Some(lie) = lie(bug, api, &head, &body) {
            return Ok(lie);
        }
        match bug {
            Bug::MakesKeysAnew if head.method == Method::POST && path.ends_with("/secrets") => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                let one: Uri = format!("{path}/{name}").parse().unwrap();
                let mut gone = head.clone();
                (gone.method, gone.uri) = (Method::DELETE, one);
                let _ = api.serve(made_of(gone, &Value::Null)).await;
            }
            Bug::BelievesInLostWrites if head.method != Method::GET && !lease => {
                let answer = api.serve(made_of(head, &body)).await;
                return answer.or_else(|_| Ok(whole(200, body.to_string())));
            }
            Bug::NeverRemovesFields if applies => {
                let merges = HeaderValue::from_static("application/merge-patch+json");
                let path = head.uri.path_and_query().unwrap().as_str();
                // Where nothing is, it is made as ever.
                if api.serve(asks(path)).await.is_ok_and(|answer| answer.status() == 200) {
                    head.headers.insert(header::CONTENT_TYPE, merges);
                }
            }
            Bug::WritesInEveryPass if applies => {
                let annotations = body["metadata"]["annotations"].as_object_mut();
                annotations.map(|all| all.remove(APPLIED_DIGEST));
            }
            Bug::OwnsNothing if body["metadata"].get("ownerReferences").is_some() => {
                body["metadata"].as_object_mut().unwrap().remove("ownerReferences");
            }
            Bug::IsDeafAfterAWatchEnds
                if is_watch(&head)
                    && !self.watched.lock().unwrap().insert(what_is_watched(&head)) =>
            {
                return std::future::pending().await;
            }
            Bug::DeletesByNameAlone if head.method == Method::DELETE => {
                if let Some((_, name)) = path.rsplit_once('/') {
                    let same = api.pick(|id, _| {
                        (id.name == name && path.contains("/namespaces/")).then(|| id.clone())
                    });
                    same.iter()
                        .filter(|id| path.contains(&plural(id.kind)))
                        .for_each(|id| api.delete(id));
                }
            }
            _ => {}
        }
        if bytes.is_empty() {
            body = Value::Null;
        }
        api.serve(made_of(head, &body)).await
    }
}

/// What the manager hears though nobody was asked.
fn lie(bug: Bug, api: &MemoryApi, head: &Parts, body: &Value) -> Option<Answer> {
    let (code, words) = match bug {
        Bug::LetsGoTooEarly if is_list_of_own_planes(head) => {
            (200, json!({"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": []}))
        }
        Bug::LetsGoTooEarly if is_look_at_a_plane(head) && is_deleting(api) => {
            (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}))
        }
        Bug::ForgetsWhatItRetains
            if body["metadata"]["annotations"][labels::RETAINED].is_string() =>
        {
            let version = "meta.k8s.io/v1";
            (200, json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": {}}))
        }
        Bug::LeaksVolumes
            if head.method == Method::DELETE
                && head.uri.path().contains("/persistentvolumeclaims/") =>
        {
            (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
        }
        _ => return None,
    };
    Some(whole(code, words.to_string()))
}

fn made_of(head: Parts, body: &Value) -> Request<Full<Bytes>> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Request::from_parts(head, Full::new(body))
}

fn asks(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

fn is_list_of_own_planes(head: &Parts) -> bool {
    head.uri.path() == "/api/v1/namespaces"
        && !is_watch(head)
        && head.uri.query().is_some_and(|query| query.contains("tenant-uid"))
}

fn is_look_at_a_plane(head: &Parts) -> bool {
    let name = head.uri.path().strip_prefix("/api/v1/namespaces/");
    head.method == Method::GET
        && name.is_some_and(|name| name.starts_with("nagaya-") && !name.contains('/'))
}

fn is_deleting(api: &MemoryApi) -> bool {
    let going = api.pick(|id, object| {
        (id.kind == "TenantCluster" && object["metadata"].get("deletionTimestamp").is_some())
            .then_some(())
    });
    !going.is_empty()
}

fn is_watch(head: &Parts) -> bool {
    head.uri.query().is_some_and(|query| query.contains("watch=true"))
}

/// Without where it goes on from.
fn what_is_watched(head: &Parts) -> String {
    let query = head.uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> = query.filter(|one| !one.starts_with("resourceVersion")).collect();
    format!("{}?{}", head.uri.path(), query.join("&"))
}

fn plural(kind: &str) -> String {
    format!("/{}/", super::Kind::named(kind).plural)
}
