//! kubectl as the sandbox's own code uses it: run to its end, its output kept.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{feed, output};
use crate::error::Result;
use crate::{paths, sandbox};

/// A kubectl command of the management cluster's administrator.
///
/// # Errors
/// The sandbox is not up.
pub fn command(words: &[&str]) -> Result<Command> {
    let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
    sandbox::kubectl(&words)
}

/// Runs kubectl on the management cluster and returns what it prints.
///
/// # Errors
/// The sandbox is not up, or kubectl fails; the text has its words.
pub fn kubectl(words: &[&str]) -> Result<String> {
    output(&mut command(words)?)
}

/// Applies objects (YAML or JSON) to the management cluster, as `kubectl apply --server-side` does.
///
/// # Errors
/// As [`kubectl`].
pub fn apply(objects: &str) -> Result<String> {
    let words = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    feed(&mut command(&words)?, objects.as_bytes())
}

/// Builds a kustomization of `e2e/manifests` and returns its objects as YAML.
///
/// # Errors
/// As [`kubectl`].
pub fn kustomize(name: &str) -> Result<String> {
    kubectl(&["kustomize", &manifests().join(name).to_string_lossy()])
}

/// The sandbox's manifests.
#[must_use]
pub fn manifests() -> PathBuf {
    paths::components().with_file_name("manifests")
}
