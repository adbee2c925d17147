//! Refusals, as kube-apiserver words them: a `Status` with code and reason.

use serde_json::{Value, json};

use super::kinds::Kind;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.resource()))
    }

    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.resource()))
    }

    pub fn conflict(kind: &Kind, name: &str, why: impl std::fmt::Display) -> Self {
        let resource = kind.resource();
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::new(409, "Conflict", message)
    }

    pub fn invalid(kind: &Kind, name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(422, "Invalid", format!("{} {name:?} is invalid: {why}", kind.name))
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Something that kube-apiserver can do and this one cannot: better red than a wrong answer.
    pub fn not_played(what: impl std::fmt::Display) -> Self {
        Self::new(501, "NotPlayed", format!("the in-memory API server cannot {what}"))
    }

    /// Of a request that was all right.
    pub fn on_purpose(code: u16) -> Self {
        let reason = match code {
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            422 => "Invalid",
            429 => "TooManyRequests",
            _ => "InternalError",
        };
        Self::new(code, reason, "a fault of the test")
    }

    pub fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }
}
