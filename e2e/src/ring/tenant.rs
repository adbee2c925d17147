//! A `TenantCluster` of a test, and its own cluster as its administrator sees it.

use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::{each, text};
use super::{Failure, JoinToken, Kubectl, Look, Outcome, Project, wait_until};
use crate::paths;

/// How long a watch takes to show what is there, at most.
const SEEN: Duration = Duration::from_secs(10);
const PAUSED: Duration = Duration::from_secs(15);
/// From nothing to joinable takes seconds on an idle machine; this one is shared.
const BIRTH: Duration = Duration::from_mins(3);

/// A `TenantCluster`.
pub struct Tenant<'p> {
    /// Where it is.
    pub project: &'p Project,
    /// Its name.
    pub name: String,
}

/// A condition of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// For programs.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// The spec of a tenant whose nodes are hosts of the kind `namespaces`: what cgroup v1, a foreign network
/// namespace and a disk that is shared with the rest of this machine force, and nothing else.
#[must_use]
pub fn spec_for_namespaces(version: &str) -> Value {
    json!({
        "version": version,
        "kubelet": {
            "cgroupDriver": "cgroupfs", "failCgroupV1": false,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        },
        "addons": {"kubeProxy": {"config": {"conntrack": {"maxPerCore": 0, "min": 0}}}},
    })
}

impl<'p> Tenant<'p> {
    /// Applies a `TenantCluster`.
    ///
    /// # Errors
    /// It is refused.
    pub fn create(project: &'p Project, name: &str, spec: &Value) -> Outcome<Self> {
        let tenant = Self { project, name: name.to_owned() };
        tenant.apply(spec)?;
        Ok(tenant)
    }

    /// [`Self::create`] for nodes of the kind `namespaces`, waiting until it is Ready.
    ///
    /// # Errors
    /// It does not become Ready.
    pub fn ready(project: &'p Project, name: &str, version: &str) -> Outcome<Self> {
        let tenant = Self::create(project, name, &spec_for_namespaces(version))?;
        tenant.await_ready()?;
        Ok(tenant)
    }

    /// Applies the object with a spec.
    ///
    /// # Errors
    /// It is refused.
    pub fn apply(&self, spec: &Value) -> Outcome {
        self.project.management.apply(&self.manifest(spec))
    }

    /// The object that a user would write.
    #[must_use]
    pub fn manifest(&self, spec: &Value) -> Value {
        json!({
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
            "metadata": {"name": self.name, "namespace": self.project.name}, "spec": spec,
        })
    }

    /// The object as it is now; `None` if it is gone.
    ///
    /// # Errors
    /// The management cluster does not answer.
    pub fn object(&self) -> Outcome<Option<Value>> {
        self.project.management.find(&["tnc", "-n", &self.project.name, &self.name])
    }

    /// One condition as it is now.
    ///
    /// # Errors
    /// There is no such object or condition.
    pub fn condition(&self, kind: &str) -> Outcome<Condition> {
        let object = self.object()?.ok_or_else(|| self.is_gone())?;
        condition(&object, kind)
    }

    /// Waits for Ready=True of the newest spec.
    ///
    /// # Errors
    /// It takes longer than 3 minutes.
    pub fn await_ready(&self) -> Outcome {
        self.await_condition("Ready", "True", BIRTH).map(drop)
    }

    /// Waits until a condition has a status, as computed from the newest spec.
    ///
    /// # Errors
    /// It does not within that time.
    pub fn await_condition(
        &self,
        kind: &str,
        status: &str,
        within: Duration,
    ) -> Outcome<Condition> {
        let what = format!("{}/{} is {kind}={status}", self.project.name, self.name);
        wait_until(&what, within, || {
            let object = self.object()?.ok_or_else(|| self.is_gone())?;
            let found = condition(&object, kind)?;
            let current =
                object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let seen = format!("{found:?}, of the newest spec: {current}");
            let wanted = current && found.status == status;
            Ok(Look::some(wanted.then_some(found), || seen))
        })
    }

    /// Waits until a condition has a reason and says all of `parts`.
    ///
    /// # Errors
    /// It does not within that time.
    pub fn await_words(
        &self,
        kind: &str,
        reason: &str,
        parts: &[&str],
        within: Duration,
    ) -> Outcome<Condition> {
        let what = format!("{kind} of {}/{} says {reason}", self.project.name, self.name);
        wait_until(&what, within, || {
            let now = self.condition(kind)?;
            let missing = parts.iter().find(|part| !now.message.contains(**part));
            let seen = format!("{now:?}, where {missing:?} is missing");
            let says_so = now.reason == reason && missing.is_none();
            Ok(Look::some(says_so.then_some(now), || seen))
        })
    }

    /// Stops the manager from repairing what is broken.
    ///
    /// # Errors
    /// It does not say within 15 seconds that it has stopped.
    pub fn pause(&self) -> Outcome {
        self.patch(&json!({"spec": {"paused": true}}))?;
        wait_until(&format!("{} is paused", self.name), PAUSED, || {
            let accepted = self.condition("Accepted")?;
            Ok(Look::done_if(accepted.reason == "Paused", || format!("{accepted:?}")))
        })
    }

    /// Waits until nothing is left to do, as kstatus sees it, and the tenant is Ready.
    ///
    /// # Errors
    /// It does not settle within that time.
    pub fn settles(&self, within: Duration) -> Outcome {
        wait_until(&format!("{} has nothing left to do", self.name), within, || {
            let object = self.object()?.unwrap_or_default();
            let current =
                object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let is_busy = |one: &&Value| matches!(text(one, "/type"), "Reconciling" | "Stalled");
            let busy = each(&object, "/status/conditions").find(is_busy);
            let words = busy.map_or_else(String::new, |one| text(one, "/message").to_owned());
            Ok(Look::done_if(current && busy.is_none(), || words))
        })?;
        self.await_ready()
    }

    /// Waits until the status says that so many nodes have joined (`NODES` of `kubectl get tnc`).
    ///
    /// # Errors
    /// It says something else for 10 s.
    pub fn await_nodes(&self, count: u64) -> Outcome {
        let what = format!("{}/{} says NODES {count}", self.project.name, self.name);
        wait_until(&what, SEEN, || {
            let nodes = self.status("/nodes")?;
            Ok(Look::done_if(nodes == count, || nodes.to_string()))
        })
    }

    /// A field of the status, such as `/endpoint`.
    ///
    /// # Errors
    /// It is gone.
    pub fn status(&self, pointer: &str) -> Outcome<Value> {
        let object = self.object()?.ok_or_else(|| self.is_gone())?;
        Ok(object["status"].pointer(pointer).cloned().unwrap_or_default())
    }

    /// The control-plane namespace, as the status says.
    ///
    /// # Errors
    /// The status does not say.
    pub fn plane(&self) -> Outcome<String> {
        match self.status("/controlPlaneNamespace")?.as_str() {
            Some(namespace) => Ok(namespace.to_owned()),
            None => Err(Failure::new(format!("{} has no control-plane namespace yet", self.name))),
        }
    }

    /// Merges a patch into the object.
    ///
    /// # Errors
    /// It is refused.
    pub fn patch(&self, patch: &Value) -> Outcome {
        let patch = patch.to_string();
        let words = ["patch", "tnc", "-n", &self.project.name, &self.name, "--type=merge", "-p"];
        self.project.management.run(&[words.as_slice(), &[&patch]].concat()).map(drop)
    }

    /// The tenant cluster, with the kubeconfig that its owner is handed.
    ///
    /// # Errors
    /// There is no kubeconfig.
    pub fn admin(&self) -> Outcome<Kubectl> {
        let secret = format!("{}-kubeconfig", self.name);
        let management = &self.project.management;
        let kubeconfig = management.secret_value(&self.project.name, &secret, "value")?;
        let path = paths::state().join(format!("{}-{}.kubeconfig", self.project.name, self.name));
        paths::write_whole(&path, kubeconfig.as_bytes())?;
        Ok(Kubectl::with_kubeconfig(&path))
    }

    /// [`Self::admin`] where the name of the endpoint does not resolve: `address` is put in its place, and the name asked for
    /// in TLS alone.
    ///
    /// # Errors
    /// There is no kubeconfig.
    pub fn admin_at(&self, address: &str, host: &str) -> Outcome<Kubectl> {
        let cluster = self.admin()?;
        let server = format!("--server=https://{address}");
        let name = format!("--tls-server-name={host}");
        cluster.run(&["config", "set-cluster", &self.name, &server, &name])?;
        Ok(cluster)
    }

    /// Applies a `JoinToken` for this cluster, for images that already hold containerd and kubelet.
    ///
    /// # Errors
    /// It is refused.
    pub fn token(&self, name: &str, ttl: &str) -> Outcome<JoinToken<'p>> {
        JoinToken::create(self.project, name, &self.name, ttl)
    }

    /// Asks for the object's deletion without waiting.
    ///
    /// # Errors
    /// It is refused.
    pub fn delete(&self) -> Outcome {
        let words = ["delete", "tnc", "-n", &self.project.name, &self.name, "--wait=false"];
        self.project.management.run(&words).map(drop)
    }

    /// Waits until the object is gone.
    ///
    /// # Errors
    /// It is still there.
    pub fn await_gone(&self, within: Duration) -> Outcome {
        wait_until(&format!("{}/{} is gone", self.project.name, self.name), within, || {
            let left = self.object()?;
            Ok(Look::done_if(left.is_none(), || left.unwrap_or_default()["status"].to_string()))
        })
    }

    fn is_gone(&self) -> Failure {
        Failure::new(format!("TenantCluster {}/{} is gone", self.project.name, self.name))
    }
}

/// A condition of any object that has some.
///
/// # Errors
/// It has none of that type.
pub fn condition(object: &Value, kind: &str) -> Outcome<Condition> {
    let found = each(object, "/status/conditions").find(|one| text(one, "/type") == kind);
    let found = found.ok_or_else(|| {
        Failure::new(format!("there is no condition {kind} yet: {}", object["status"]))
    })?;
    let of = |field| text(found, field).to_owned();
    Ok(Condition { status: of("/status"), reason: of("/reason"), message: of("/message") })
}
