//! One of the two servers, and what was seen of it: answers of both can be compared when versions and UIDs are replaced
//! by their place in the order in which they were seen.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::BoxError;

use crate::memory_api::answer::merge_patch;
use crate::memory_api::{Id, MemoryApi};
use crate::operation::{Operation, Seen, Verb};
use crate::watches::is_end;

/// An event that was to come does come within it.
const PATIENCE: Duration = Duration::from_secs(30);

pub enum Server {
    Memory(MemoryApi),
    Real(Client),
}

/// Status code and body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

pub struct Side {
    server: Server,
    seen: BTreeMap<Id, History>,
    uids: Ordinals,
    versions: Ordinals,
    /// Version of the last list.
    pub listed: String,
}

/// What was seen of an object.
#[derive(Default)]
struct History {
    /// `None` too if only its metadata was seen last.
    last: Option<Value>,
    uids: Vec<Value>,
    versions: Vec<Value>,
}

/// Names for values that differ from server to server.
#[derive(Default)]
struct Ordinals {
    known: BTreeMap<String, usize>,
    next: usize,
}

impl Ordinals {
    fn name(&mut self, value: &mut Value) {
        if let Some(text) = value.as_str() {
            let next = &mut self.next;
            let number = self.known.entry(text.to_owned()).or_insert_with(|| {
                *next += 1;
                *next
            });
            *value = json!(format!("#{number}"));
        }
    }
}

impl Side {
    pub fn new(server: Server) -> Self {
        Self {
            server,
            seen: BTreeMap::new(),
            uids: Ordinals::default(),
            versions: Ordinals::default(),
            listed: String::new(),
        }
    }

    /// After a difference: what comes is named alike again.
    pub fn go_on_alike(&mut self, other: &mut Self) {
        for (one, two) in
            [(&mut self.uids, &mut other.uids), (&mut self.versions, &mut other.versions)]
        {
            let next = one.next.max(two.next);
            (one.next, two.next) = (next, next);
        }
    }

    /// The answer, ready to be compared.
    pub async fn play(&mut self, operation: &Operation) -> Answer {
        let body = self.body(operation);
        let mut answer = self.ask(operation, &operation.uri(), &body).await;
        // A server may give smaller pages than were asked for, or larger ones.
        while let Some(next) = continues(&answer.body) {
            let uri = format!("{}&continue={next}", operation.uri());
            let mut page = self.ask(operation, &uri, &body).await;
            let mut items = answer.body["items"].take();
            let more = page.body["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            items.as_array_mut().unwrap().extend(more);
            page.body["items"] = items;
            answer = page;
        }
        self.note(operation, &answer);
        Answer { code: answer.code, body: self.comparable(answer.body) }
    }

    async fn ask(&self, operation: &Operation, uri: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let (code, body) = self.send(request(operation, uri, bytes)).await;
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| panic!("{operation}: {}", String::from_utf8_lossy(&bytes)));
        Answer { code, body }
    }

    async fn send(&self, request: Request<Body>) -> (u16, UnsyncBoxBody<Bytes, BoxError>) {
        match &self.server {
            Server::Memory(api) => {
                let (head, body) = api.serve(request).await.unwrap().into_parts();
                (head.status.as_u16(), body.map_err(Into::into).boxed_unsync())
            }
            Server::Real(client) => {
                let (head, body) = client.send(request).await.unwrap().into_parts();
                (head.status.as_u16(), body.map_err(Into::into).boxed_unsync())
            }
        }
    }

    /// What a watch of the listed kind shows from a version on until an object called `end` is made.
    pub async fn watch(&mut self, list: &Operation, version: &str, end: &str) -> Vec<Value> {
        let watch = format!("{}&watch=true&resourceVersion={version}", list.uri());
        let (code, mut body) = self.send(request(list, &watch, Bytes::new())).await;
        assert_eq!(code, 200, "{watch}");
        let (mut text, mut events) = (Vec::new(), Vec::<Value>::new());
        while !events.last().is_some_and(|event| is_end(event, end)) {
            let frame = timeout(PATIENCE, body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                panic!("{watch}: no {end} after {events:#?}, but {frame:?}")
            };
            text.extend(frame.into_data().unwrap_or_default());
            while let Some(length) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=length).collect();
                events.push(serde_json::from_slice(&line).unwrap());
            }
        }
        for event in &mut events {
            let object = event["object"].take();
            event["object"] = self.comparable(object);
        }
        events
    }

    /// The operation's body as this server has to be told.
    fn body(&self, operation: &Operation) -> Value {
        let nothing = History::default();
        let history = self.seen.get(&operation.id()).unwrap_or(&nothing);
        let mut body = match &operation.verb {
            Verb::Get | Verb::List { .. } => return Value::Null,
            Verb::Create(object) | Verb::Apply { object, .. } => object.clone(),
            Verb::MergePatch(patch) => patch.clone(),
            Verb::Update { patch, whole } => {
                let mut changed = history.last.clone().unwrap_or_else(|| whole.clone());
                for field in ["uid", "resourceVersion"] {
                    changed["metadata"].as_object_mut().unwrap().remove(field);
                }
                merge_patch(&mut changed, patch);
                changed
            }
            Verb::Delete { background: false } => {
                json!({"kind": "DeleteOptions", "apiVersion": "v1"})
            }
            Verb::Delete { background: true } => json!({
                "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            }),
        };
        let deletes = matches!(operation.verb, Verb::Delete { .. });
        let member = if deletes { "preconditions" } else { "metadata" };
        for (field, which, seen) in [
            ("uid", operation.uid, &history.uids),
            ("resourceVersion", operation.version, &history.versions),
        ] {
            let meant = match which {
                Seen::Unsaid => None,
                Seen::Last => seen.last().cloned(),
                Seen::Earlier => {
                    let earlier = seen.len().checked_sub(2);
                    Some(earlier.map_or(json!("1"), |index| seen[index].clone()))
                }
            };
            if let Some(meant) = meant {
                body[member][field] = meant;
            }
        }
        body
    }

    fn note(&mut self, operation: &Operation, answer: &Answer) {
        let metadata = &answer.body["metadata"];
        if is_list(&answer.body) {
            metadata["resourceVersion"].as_str().unwrap_or_default().clone_into(&mut self.listed);
        }
        if answer.code >= 300 || metadata["uid"].is_null() {
            return;
        }
        let history = self.seen.entry(operation.id()).or_default();
        history.last = (!operation.metadata_only).then(|| answer.body.clone());
        for (seen, field) in
            [(&mut history.uids, "uid"), (&mut history.versions, "resourceVersion")]
        {
            if seen.last() != Some(&metadata[field]) {
                seen.push(metadata[field].clone());
            }
        }
    }

    /// Without what differs from server to server.
    fn comparable(&mut self, mut body: Value) -> Value {
        if body["kind"] == "Status" {
            let failed = body["status"] == "Failure";
            let members = body.as_object_mut().unwrap();
            // What it says in words is for people.
            members.retain(|name, _| name != "message" && !(failed && name == "details"));
            if let Some(uid) = body.pointer_mut("/details/uid") {
                self.uids.name(uid);
            }
        } else if is_list(&body) {
            for item in body["items"].as_array_mut().into_iter().flatten() {
                self.name(item);
            }
            body["metadata"] = json!(body["metadata"]["resourceVersion"].is_string());
        } else {
            self.name(&mut body);
        }
        body
    }

    /// Names what an object has from its server.
    fn name(&mut self, object: &mut Value) {
        let metadata = &mut object["metadata"];
        self.uids.name(&mut metadata["uid"]);
        self.versions.name(&mut metadata["resourceVersion"]);
        for time in ["creationTimestamp", "deletionTimestamp"] {
            metadata[time] = json!(metadata[time].is_string());
        }
        if let Some(entries) = metadata["managedFields"].as_array_mut() {
            for entry in entries.iter_mut() {
                entry.as_object_mut().unwrap().remove("time");
            }
            // A real server sorts them by second.
            entries.sort_by_key(ToString::to_string);
        }
    }
}

fn request(operation: &Operation, uri: &str, body: Bytes) -> Request<Body> {
    let mut request = Request::builder().method(operation.method()).uri(uri);
    request = request.header("Content-Type", operation.content_type());
    if operation.metadata_only {
        let watches = uri.contains("watch=true");
        let list = matches!(operation.verb, Verb::List { .. }) && !watches;
        let kind = if list { "PartialObjectMetadataList" } else { "PartialObjectMetadata" };
        request =
            request.header("Accept", format!("application/json;as={kind};g=meta.k8s.io;v=v1"));
    }
    request.body(Body::from(body)).unwrap()
}

fn is_list(body: &Value) -> bool {
    body["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))
}

fn continues(list: &Value) -> Option<&str> {
    list["metadata"]["continue"].as_str().filter(|next| !next.is_empty())
}
