//! A `JoinToken` of a test, and what is in its Secret.

use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::decoded;
use super::{Failure, Look, Outcome, Project, wait_until};

const ISSUE: Duration = Duration::from_secs(30);

/// A `JoinToken`.
pub struct JoinToken<'p> {
    /// Where it is.
    pub project: &'p Project,
    /// Its name.
    pub name: String,
}

/// What a node needs, from the Secret `NAME-join`.
#[derive(Debug, Clone)]
pub struct JoinSecret {
    /// `ID.SECRET`.
    pub token: String,
    /// `sha256:HEX`.
    pub ca_cert_hash: String,
    /// `host:port`.
    pub endpoint: String,
    /// The whole `kubeadm join` command line.
    pub command: String,
    /// User-data.
    pub cloud_init: String,
}

impl JoinSecret {
    /// The public half of the token.
    #[must_use]
    pub fn token_id(&self) -> &str {
        self.token.split_once('.').map_or("", |(id, _)| id)
    }
}

impl<'p> JoinToken<'p> {
    /// Applies a `JoinToken`.
    ///
    /// # Errors
    /// It is refused.
    pub fn create(project: &'p Project, name: &str, cluster: &str, ttl: &str) -> Outcome<Self> {
        let token = Self { project, name: name.to_owned() };
        project.management.apply(&token.manifest(cluster, ttl))?;
        Ok(token)
    }

    /// The object that a user would write.
    #[must_use]
    pub fn manifest(&self, cluster: &str, ttl: &str) -> Value {
        json!({
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "JoinToken",
            "metadata": {"name": self.name, "namespace": self.project.name},
            "spec": {"clusterName": cluster, "ttl": ttl, "cloudInit": {"install": false}},
        })
    }

    /// The object as it is now; `None` if it is gone.
    ///
    /// # Errors
    /// The management cluster does not answer.
    pub fn object(&self) -> Outcome<Option<Value>> {
        self.project.management.find(&["jointoken", "-n", &self.project.name, &self.name])
    }

    /// Waits until the token is in a state, such as `Issued`.
    ///
    /// # Errors
    /// It is not within that time.
    pub fn await_state(&self, state: &str, within: Duration) -> Outcome<Value> {
        wait_until(&format!("JoinToken {} is {state}", self.name), within, || {
            let object = self.object()?.unwrap_or_default();
            let status = object["status"].to_string();
            let reached = object["status"]["state"] == state;
            Ok(Look::some(reached.then_some(object), || status))
        })
    }

    /// Waits until the token is issued, and reads its Secret.
    ///
    /// # Errors
    /// It is not issued, or a key of the Secret is missing.
    pub fn secret(&self) -> Outcome<JoinSecret> {
        self.await_state("Issued", ISSUE)?;
        let words = ["secret", "-n", &self.project.name, &self.secret_name()];
        let secret = self.project.management.get(&words)?;
        let of = |key| decoded(&secret, key);
        Ok(JoinSecret {
            token: of("token")?,
            ca_cert_hash: of("caCertHash")?,
            endpoint: of("endpoint")?,
            command: of("command")?,
            cloud_init: of("cloud-init")?,
        })
    }

    /// Whether the Secret is there.
    ///
    /// # Errors
    /// The management cluster does not answer.
    pub fn has_secret(&self) -> Outcome<bool> {
        let words = ["secret", "-n", &self.project.name, &self.secret_name()];
        Ok(self.project.management.find(&words)?.is_some())
    }

    /// Deletes the object and waits until it is gone.
    ///
    /// # Errors
    /// It stays.
    pub fn delete(&self) -> Outcome {
        let words = ["delete", "jointoken", "-n", &self.project.name, &self.name, "--timeout=30s"];
        self.project.management.run(&words)?;
        match self.object()? {
            None => Ok(()),
            Some(left) => Err(Failure::new(format!("it is still there: {left}"))),
        }
    }

    fn secret_name(&self) -> String {
        format!("{}-join", self.name)
    }
}
