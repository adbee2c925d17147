//! A project namespace of a test's own.

use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::name;
use super::{Kubectl, Look, Outcome, wait_until};

const GONE: Duration = Duration::from_mins(1);

/// A namespace that the operator has enabled for Nagaya.
pub struct Project {
    /// Its name.
    pub name: String,
    /// The cluster that it is on.
    pub management: Kubectl,
}

impl Project {
    /// Makes the namespace; what an interrupted test left of it goes first.
    ///
    /// # Errors
    /// The management cluster refuses.
    pub fn create(name: &str) -> Outcome<Self> {
        let project = Self { name: name.to_owned(), management: Kubectl::management() };
        project.remove()?;
        project.management.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"nagaya.dev/project": "enabled"}},
        }))?;
        Ok(project)
    }

    /// [`Self::clear`], and waits until the namespaces are gone too.
    ///
    /// # Errors
    /// Something stays.
    pub fn remove(&self) -> Outcome {
        self.clear()?;
        let (name, ours) = (self.name.as_str(), self.ours());
        wait_until(&format!("the namespaces of {name} are gone"), GONE, || {
            let mut left = self.management.list(&["namespaces", "-l", &ours])?;
            left.extend(self.management.find(&["namespace", name])?);
            Ok(Look::done_if(left.is_empty(), || names(&left)))
        })
    }

    /// Removes the tenants, and has what they retained and the project's namespace removed.
    ///
    /// # Errors
    /// A tenant stays.
    pub fn clear(&self) -> Outcome {
        let name = self.name.as_str();
        if self.management.find(&["namespace", name])?.is_some() {
            let all = ["delete", "tenantclusters,jointokens", "--all", "--wait=false", "-n", name];
            self.management.run(&all)?;
            wait_until(&format!("the tenants of {name} are gone"), GONE, || {
                let left = self.management.list(&["tenantclusters,jointokens", "-n", name])?;
                Ok(Look::done_if(left.is_empty(), || names(&left)))
            })?;
            self.management.run(&["delete", "namespace", name, "--wait=false"])?;
        }
        let words = ["delete", "namespaces", "-l", &self.ours(), "--wait=false"];
        self.management.run(&words).map(drop)
    }

    /// Selects the control-plane namespaces of the project.
    fn ours(&self) -> String {
        format!("nagaya.dev/tenant-namespace={}", self.name)
    }

    /// `kubectl get WORDS` in the project.
    ///
    /// # Errors
    /// It fails.
    pub fn list(&self, words: &[&str]) -> Outcome<Vec<Value>> {
        self.management.list(&[words, &["-n", &self.name]].concat())
    }
}

/// The names of objects, for messages.
#[must_use]
pub fn names(objects: &[Value]) -> String {
    objects.iter().map(name).collect::<Vec<_>>().join(", ")
}
