//! An operation, in words that both servers understand: UIDs and resourceVersions are not in it, but which of those that
//! were seen is meant.

use std::fmt;

use serde_json::Value;

use crate::memory_api::{Id, Kind};

/// A request for an object, or for all of its kind in its namespace.
#[derive(Clone, Debug)]
pub struct Operation {
    pub verb: Verb,
    pub kind: &'static Kind,
    pub namespace: String,
    pub name: String,
    /// Through `/status`.
    pub status: bool,
    /// Asked for as `PartialObjectMetadata`.
    pub metadata_only: bool,
    pub manager: Option<&'static str>,
    /// UID and resourceVersion that the object shall have.
    pub uid: Seen,
    pub version: Seen,
}

#[derive(Clone, Debug)]
pub enum Verb {
    Create(Value),
    Get,
    List {
        labels: Option<&'static str>,
        limit: Option<u8>,
    },
    /// PUT of what was last seen with this patch merged in; of the whole, if nothing was seen.
    Update {
        patch: Value,
        whole: Value,
    },
    MergePatch(Value),
    Apply {
        object: Value,
        force: bool,
    },
    Delete {
        background: bool,
    },
}

/// Of an object's UIDs or versions, as its answers had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Unsaid,
    Last,
    /// An earlier one; one that never was, if there is none.
    Earlier,
}

impl Operation {
    pub fn id(&self) -> Id {
        Id::new(self.kind, &self.namespace, &self.name)
    }

    pub fn method(&self) -> &'static str {
        match self.verb {
            Verb::Create(_) => "POST",
            Verb::Get | Verb::List { .. } => "GET",
            Verb::Update { .. } => "PUT",
            Verb::MergePatch(_) | Verb::Apply { .. } => "PATCH",
            Verb::Delete { .. } => "DELETE",
        }
    }

    pub fn content_type(&self) -> &'static str {
        match self.verb {
            Verb::MergePatch(_) => "application/merge-patch+json",
            Verb::Apply { .. } => "application/apply-patch+yaml",
            _ => "application/json",
        }
    }

    /// Of all objects of the kind.
    pub fn collection(&self) -> String {
        let Kind { group, version, plural, .. } = self.kind;
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        if self.kind.namespaced {
            format!("{root}/namespaces/{}/{plural}", self.namespace)
        } else {
            format!("{root}/{plural}")
        }
    }

    /// Path and query.
    pub fn uri(&self) -> String {
        let mut path = self.collection();
        if !matches!(self.verb, Verb::Create(_) | Verb::List { .. }) {
            path = format!("{path}/{}", self.name);
        }
        if self.status {
            path += "/status";
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(manager) = self.manager {
            query.append_pair("fieldManager", manager);
        }
        match &self.verb {
            Verb::Apply { force, .. } => {
                query.append_pair("force", &force.to_string());
            }
            Verb::List { labels, limit } => {
                labels.map(|labels| query.append_pair("labelSelector", labels));
                limit.map(|limit| query.append_pair("limit", &limit.to_string()));
            }
            _ => {}
        }
        format!("{path}?{}", query.finish())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method(), self.uri())?;
        for (field, seen) in [("uid", self.uid), ("resourceVersion", self.version)] {
            match seen {
                Seen::Unsaid => {}
                Seen::Last => write!(f, ", the last {field}")?,
                Seen::Earlier => write!(f, ", an earlier {field}")?,
            }
        }
        match &self.verb {
            Verb::Create(body) | Verb::MergePatch(body) | Verb::Apply { object: body, .. } => {
                write!(f, "\n  {body}")
            }
            Verb::Update { patch, .. } => write!(f, "\n  what was last seen with {patch}"),
            Verb::Get | Verb::List { .. } | Verb::Delete { .. } => Ok(()),
        }
    }
}
