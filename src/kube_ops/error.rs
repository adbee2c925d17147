//! Why a call on an object failed.

use nagaya_api::reasons;
use serde_json::Value;

/// Why a call on an object failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or could not be reached.
    #[error("cannot {verb} {object}: {}", answer(source))]
    ApiCall {
        /// What was tried.
        verb: &'static str,
        /// Kind, namespace and name.
        object: String,
        /// The API server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object of that name exists and is not ours.
    #[error(
        "{object} exists and is not Nagaya's: {why}; rename or delete it, and Nagaya makes its own"
    )]
    ForeignObject {
        /// Kind, namespace and name.
        object: String,
        /// What tells that it is not ours.
        why: String,
    },
    /// The object was changed, deleted or made again since it was read; the next pass reads it anew.
    #[error("{object} changed since it was read")]
    ObjectChanged {
        /// Kind, namespace and name.
        object: String,
    },
    /// An object that has no JSON form, or no name: a programming error.
    #[error("cannot render {object}: {why}")]
    RenderObject {
        /// Kind, namespace and name as far as known.
        object: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// The reason in conditions, events and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ApiCall { .. } => reasons::API_CALL,
            Self::ForeignObject { .. } => reasons::FOREIGN_OBJECT,
            Self::ObjectChanged { .. } => reasons::OBJECT_CHANGED,
            Self::RenderObject { .. } => reasons::RENDER_OBJECT,
        }
    }

    /// True if nothing but time is needed: somebody else wrote first.
    #[must_use]
    pub const fn is_race(&self) -> bool {
        matches!(self, Self::ObjectChanged { .. })
    }

    /// True if the object or its namespace is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::ApiCall { source, .. } if is_status(source, kube::core::Status::is_not_found))
    }

    /// True if the manager lacks the right.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::ApiCall { source, .. } if is_status(source, kube::core::Status::is_forbidden))
    }

    /// True if no API server has said anything.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::ApiCall { source, .. } if !matches!(**source, kube::Error::Api(_)))
    }

    /// What the API server has refused, and its words.
    #[must_use]
    pub fn refusal(&self) -> Option<(&str, &str)> {
        match self {
            Self::ApiCall { object, source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some((object, &status.message)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A failed call on `object`; 409 becomes [`Error::ObjectChanged`].
    #[must_use]
    pub fn of_object(
        verb: &'static str,
        object: &impl serde::Serialize,
        source: kube::Error,
    ) -> Self {
        Self::of_call(verb, &to_json(object).unwrap_or_default(), source)
    }

    /// A failed call; 409 becomes [`Error::ObjectChanged`].
    pub(crate) fn of_call(verb: &'static str, object: &Value, source: kube::Error) -> Self {
        let object = describe(object);
        if is_status(&source, kube::core::Status::is_conflict) {
            return Self::ObjectChanged { object };
        }
        Self::ApiCall { verb, object, source: Box::new(source) }
    }
}

/// The words of the API server, without the structure around them.
fn answer(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

/// True if `error` is an answer of the API server that `predicate` holds for.
pub(crate) fn is_status(
    error: &kube::Error,
    predicate: impl Fn(&kube::core::Status) -> bool,
) -> bool {
    matches!(error, kube::Error::Api(status) if predicate(status))
}

/// `Kind namespace/name`, for messages.
pub(crate) fn describe(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = text("/metadata/name").unwrap_or("(unnamed)");
    describe_as(kind, text("/metadata/namespace"), name)
}

/// [`describe`] of what has these names.
pub(crate) fn describe_as(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The JSON form of an object.
pub(crate) fn to_json(object: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| Error::RenderObject {
        object: "an object".to_owned(),
        why: error.to_string(),
    })
}
