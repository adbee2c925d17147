//! kubectl against one cluster, with JSON in and out.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Failure, Outcome};
use crate::command::{command_line, feed, output};
use crate::sandbox;

/// A cluster and who asks it.
#[derive(Clone, Default)]
pub struct Kubectl {
    kubeconfig: Option<PathBuf>,
    acting_as: Option<String>,
}

impl Kubectl {
    /// The management cluster, as its administrator.
    #[must_use]
    pub fn management() -> Self {
        Self::default()
    }

    /// Whatever cluster and user a kubeconfig names.
    #[must_use]
    pub fn with_kubeconfig(path: &Path) -> Self {
        Self { kubeconfig: Some(path.to_owned()), acting_as: None }
    }

    /// The kubeconfig, if this is not the management cluster.
    #[must_use]
    pub fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }

    /// The same cluster, as another user (such as `system:serviceaccount:NAMESPACE:NAME`).
    #[must_use]
    pub fn acting_as(&self, user: &str) -> Self {
        Self { acting_as: Some(user.to_owned()), ..self.clone() }
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// It fails; the text has its words.
    pub fn run(&self, words: &[&str]) -> Outcome<String> {
        Ok(output(&mut self.command(words)?)?)
    }

    /// Runs kubectl, which has to be refused, and returns the words of the refusal.
    ///
    /// # Errors
    /// It succeeds.
    pub fn refusal(&self, words: &[&str]) -> Outcome<String> {
        let mut command = self.command(words)?;
        match output(&mut command) {
            Err(refusal) => Ok(refusal.to_string()),
            Ok(done) => {
                let line = command_line(&command);
                Err(Failure::new(format!("`{line}` should have been refused, but: {done}")))
            }
        }
    }

    /// [`Self::run`] of what reads something.
    ///
    /// # Errors
    /// It fails.
    pub fn feed(&self, words: &[&str], input: &str) -> Outcome<String> {
        Ok(feed(&mut self.command(words)?, input.as_bytes())?)
    }

    /// `kubectl get WORDS` as JSON.
    ///
    /// # Errors
    /// It fails, also because there is no such object.
    pub fn get(&self, words: &[&str]) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.run(&[&["get", "-ojson"], words].concat())?)?)
    }

    /// [`Self::get`] of one object that may not be there.
    ///
    /// # Errors
    /// It fails.
    pub fn find(&self, words: &[&str]) -> Outcome<Option<Value>> {
        let text = self.run(&[&["get", "-ojson", "--ignore-not-found"], words].concat())?;
        if text.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&text)?)) }
    }

    /// The objects of a list.
    ///
    /// # Errors
    /// It fails.
    pub fn list(&self, words: &[&str]) -> Outcome<Vec<Value>> {
        match self.get(words)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(Failure::new(format!("`kubectl get {}` is no list", words.join(" ")))),
        }
    }

    /// Applies an object, or a list of kind `List`.
    ///
    /// # Errors
    /// It is refused.
    pub fn apply(&self, object: &Value) -> Outcome {
        self.feed(&["apply", "-f", "-"], &object.to_string()).map(drop)
    }

    /// Creates an object and returns what became of it: reviews are answered that way.
    ///
    /// # Errors
    /// It is refused.
    pub fn create(&self, object: &Value) -> Outcome<Value> {
        let answer = self.feed(&["create", "-ojson", "-f", "-"], &object.to_string())?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Creates many objects in one go.
    ///
    /// # Errors
    /// One of them is refused.
    pub fn create_all(&self, objects: &[Value]) -> Outcome {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.feed(&["create", "-f", "-"], &list.to_string()).map(drop)
    }

    /// Replaces an object by another one, fields that are not named included.
    ///
    /// # Errors
    /// It is refused.
    pub fn replace(&self, object: &Value) -> Outcome {
        self.feed(&["replace", "-f", "-"], &object.to_string()).map(drop)
    }

    /// Applies an object that has to be refused, and returns the words of the refusal.
    ///
    /// # Errors
    /// It is accepted.
    pub fn apply_refused(&self, object: &Value) -> Outcome<String> {
        match self.apply(object) {
            Err(refusal) => Ok(refusal.to_string()),
            Ok(()) => Err(Failure::new(format!("should have been refused: {object}"))),
        }
    }

    /// The decoded value of a Secret's key.
    ///
    /// # Errors
    /// There is no such Secret or key.
    pub fn secret_value(&self, namespace: &str, name: &str, key: &str) -> Outcome<String> {
        decoded(&self.get(&["secret", "-n", namespace, name])?, key)
    }

    fn command(&self, words: &[&str]) -> Outcome<std::process::Command> {
        // A call that hangs would outlast every deadline of a test.
        let user = self.acting_as.as_ref().map(|user| format!("--as={user}"));
        let all = ["--request-timeout=10s"].into_iter().chain(user.as_deref());
        let all = all.chain(words.iter().copied()).map(str::to_owned);
        let mut command = sandbox::kubectl(&all.collect::<Vec<_>>())?;
        if let Some(path) = &self.kubeconfig {
            command.env("KUBECONFIG", path);
        }
        Ok(command)
    }
}

/// The decoded value of a key of a Secret.
///
/// # Errors
/// There is no such key, or it is no text.
pub fn decoded(secret: &Value, key: &str) -> Outcome<String> {
    let value = secret["data"][key].as_str();
    let value = value.ok_or_else(|| Failure::new(format!("{} has no key {key}", name(secret))))?;
    Ok(String::from_utf8(BASE64.decode(value)?)?)
}

/// Text at a JSON pointer; empty if there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The name of an object.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The objects in a list inside an object; none if there is no list.
pub fn each<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
