//! What a request asks for: verb, kind and name, out of method, path and query.

use std::collections::BTreeMap;

use http::Method;
use http::request::Parts;
use serde_json::Value;

use super::kinds::Kind;
use super::refusal::Refusal;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    /// A question in the form of a POST: nothing is stored.
    Review,
    Update,
    MergePatch,
    Apply,
    Delete,
}

/// A request for objects of a kind.
#[derive(Clone, Debug)]
pub struct Request {
    pub verb: Verb,
    pub kind: &'static Kind,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
    pub query: BTreeMap<String, String>,
    /// Asked for as `PartialObjectMetadata`.
    pub metadata_only: bool,
    pub body: Value,
}

impl Request {
    pub fn read(head: &Parts, body: &[u8]) -> Result<Self, Refusal> {
        let path = head.uri.path();
        let no_such_path = || Refusal::new(404, "NotFound", format!("nothing is served at {path}"));
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(no_such_path()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status"]) => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let [plural, rest @ ..] = rest else { return Err(no_such_path()) };
        let kind = Kind::served_as(group, version, plural).ok_or_else(no_such_path)?;
        let mut rest = rest.iter().map(|segment| (*segment).to_owned());
        let (name, subresource) = (rest.next(), rest.next());
        let query = head.uri.query().unwrap_or_default();
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let watch = query.get("watch").is_some_and(|value| value == "true" || value == "1");
        let content_type = header(http::header::CONTENT_TYPE).unwrap_or_default();
        let accept = header(http::header::ACCEPT).unwrap_or_default();
        let body = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .map_err(|error| Refusal::bad_request(format!("the body: {error}")))?,
        };
        let review = kind.name.ends_with("Review");
        let verb = verb(&head.method, name.is_some(), watch, content_type)?;
        Ok(Self {
            verb: if review { Verb::Review } else { verb },
            kind,
            namespace,
            name,
            subresource,
            query,
            metadata_only: accept.contains("as=PartialObjectMetadata"),
            body,
        })
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// As whom fields are owned.
    pub fn field_manager(&self) -> &str {
        self.parameter("fieldManager").unwrap_or("unknown")
    }
}

fn verb(method: &Method, named: bool, watch: bool, content_type: &str) -> Result<Verb, Refusal> {
    Ok(match (method.as_str(), named) {
        ("GET", true) => Verb::Get,
        ("GET", false) if watch => Verb::Watch,
        ("GET", false) => Verb::List,
        ("POST", false) => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("DELETE", true) => Verb::Delete,
        ("PATCH", true) => match content_type {
            "application/apply-patch+yaml" => Verb::Apply,
            "application/merge-patch+json" => Verb::MergePatch,
            other => return Err(Refusal::not_played(format_args!("patch with {other}"))),
        },
        (other, _) => return Err(Refusal::not_played(format_args!("{other} this path"))),
    })
}
