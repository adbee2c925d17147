//! A tenant as its project sees it: through `TenantCluster`, `JoinToken` and the Secrets handed out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::command::{feed, output};
use crate::error::{Error, IoContext, Result};
use crate::{kubectl, paths};

/// A `TenantCluster` by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The project's namespace.
    pub namespace: String,
    /// The `TenantCluster`'s name.
    pub name: String,
}

/// A condition of an object's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

impl Tenant {
    /// Names a tenant; nothing is asked.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The `TenantCluster` as JSON; none if it is not there.
    ///
    /// # Errors
    /// The sandbox is not up.
    pub fn object(&self) -> Result<Option<Value>> {
        self.get("tenantcluster", &self.name)
    }

    /// A condition of the `TenantCluster`, such as `Ready`; none if it is not there yet.
    ///
    /// # Errors
    /// The sandbox is not up.
    pub fn condition(&self, kind: &str) -> Result<Option<Condition>> {
        Ok(self.object()?.and_then(|object| condition(&object, kind)))
    }

    /// A key of a Secret in the project's namespace; none if it is not there (yet).
    ///
    /// # Errors
    /// The sandbox is not up, or the value is no text.
    pub fn secret(&self, name: &str, key: &str) -> Result<Option<String>> {
        let Some(secret) = self.get("secret", name)? else { return Ok(None) };
        let Some(encoded) = secret["data"][key].as_str() else { return Ok(None) };
        let mut decode = crate::command::command(&["base64", "--decode"]);
        feed(&mut decode, encoded.as_bytes()).map(Some)
    }

    /// The user-data that a `JoinToken` hands out, byte by byte; none if it is not issued yet.
    ///
    /// # Errors
    /// As [`Tenant::secret`].
    pub fn user_data(&self, join_token: &str) -> Result<Option<String>> {
        self.secret(&format!("{join_token}-join"), "cloud-init")
    }

    /// The tenant's admin kubeconfig, written to a file that only root can read; its server answers
    /// inside the sandbox's network.
    ///
    /// # Errors
    /// It is not handed out yet, or the file cannot be written.
    pub fn kubeconfig(&self) -> Result<PathBuf> {
        let name = format!("{}-kubeconfig", self.name);
        let text = self.secret(&name, "value")?.ok_or_else(|| {
            Error::Refused(format!(
                "there is no Secret {}/{name} with a key `value` yet",
                self.namespace
            ))
        })?;
        let path = paths::state().join(format!("{}-{}.kubeconfig", self.namespace, self.name));
        paths::write_whole(&path, text.as_bytes())?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).on("protect", &path)?;
        Ok(path)
    }

    /// Runs kubectl on the tenant cluster as its administrator and returns what it prints.
    ///
    /// # Errors
    /// There is no kubeconfig yet, or kubectl fails; the text has its words.
    pub fn kubectl(&self, words: &[&str]) -> Result<String> {
        let kubeconfig = self.kubeconfig()?;
        output(kubectl::command(words)?.env("KUBECONFIG", kubeconfig))
    }

    /// Applies objects (YAML or JSON) to the tenant cluster.
    ///
    /// # Errors
    /// As [`Tenant::kubectl`].
    pub fn apply(&self, objects: &str) -> Result<String> {
        let kubeconfig = self.kubeconfig()?;
        let mut command = kubectl::command(&["apply", "--server-side", "-f", "-"])?;
        feed(command.env("KUBECONFIG", kubeconfig), objects.as_bytes())
    }

    fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let words = ["get", kind, name, "-n", &self.namespace, "--ignore-not-found", "-o", "json"];
        let text = kubectl::kubectl(&words)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|error| Error::Malformed {
            path: format!("{kind} {}/{name}", self.namespace).into(),
            reason: error.to_string(),
        })
    }
}

/// A condition of any object.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> Option<Condition> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_found_by_its_type() {
        let object = json!({"status": {"conditions": [
            {"type": "Other", "status": "False", "reason": "No", "message": ""},
            {"type": "Ready", "status": "True", "reason": "Joinable", "message": "yes"},
        ]}});
        assert_eq!(condition(&object, "Ready").unwrap().reason, "Joinable");
        assert_eq!(condition(&object, "Missing"), None);
        assert_eq!(condition(&json!({}), "Ready"), None);
    }
}
