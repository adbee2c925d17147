//! A mutating admission webhook of the management cluster (`examples/mutating_webhook.rs`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::cargo::built;
use crate::command::command;
use crate::network;

/// A webhook beside the management cluster's API server; it ends with its handle.
pub struct Webhook {
    child: Child,
    client_config: ClientConfig,
}

/// What a `MutatingWebhookConfiguration` says of it.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientConfig {
    url: String,
    ca_bundle: String,
}

impl Webhook {
    /// Starts one that sets the field at the JSON pointer `path`.
    ///
    /// # Errors
    /// It does not compile or start.
    pub fn start(path: &str, value: &Value) -> Outcome<Self> {
        let example = ["--package", "nagaya", "--example", "mutating_webhook"];
        let program = built(&example, "debug/examples/mutating_webhook")?;
        let mut webhook = command(&network::enter(&network::namespace(network::MANAGEMENT)));
        webhook.arg(program).args(["--path", path, "--value", &value.to_string()]);
        let mut child = webhook.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        Ok(Self { child, client_config: serde_json::from_str(&line)? })
    }

    /// Where it is, and who signs for it.
    #[must_use]
    pub fn client_config(&self) -> &ClientConfig {
        &self.client_config
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // Closes its input first.
        let _ = self.child.wait();
    }
}
