//! A machine of a test that joins tenants with stock kubeadm.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::{each, text};
use super::{Failure, JoinSecret, Kubectl, Look, Outcome, ensure, ensure_says, wait_until};
use crate::command::{feed, output};
use crate::components::{self, Component};
use crate::host::{self, Host};
use crate::progress::{say, step};
use crate::state::{HostKind, HostRecord, Link};
use crate::{error, images, sandbox, state};

/// What only cgroup v1 forces, and only on a host of the kind `namespaces`.
pub(super) const IGNORED: &str = "SystemVerification";
/// Seconds that are enough where nothing was just restarted.
const SHORT: u16 = 10;
const CONFIGURATION: &str = "/root/join.json";

/// A host that goes when the test ends.
pub struct Machine {
    record: HostRecord,
}

/// A join by configuration file, where time limits can be set: kubeadm's own are 5 minutes.
#[derive(Debug, Clone)]
pub struct JoinAttempt {
    /// `host:port`.
    pub endpoint: String,
    /// `ID.SECRET`.
    pub token: String,
    /// `sha256:HEX`.
    pub ca_cert_hash: String,
    /// What each of kubeadm's waits may take, in seconds.
    pub patience: u16,
}

impl From<&JoinSecret> for JoinAttempt {
    fn from(secret: &JoinSecret) -> Self {
        Self {
            endpoint: secret.endpoint.clone(),
            token: secret.token.clone(),
            ca_cert_hash: secret.ca_cert_hash.clone(),
            patience: SHORT,
        }
    }
}

impl JoinAttempt {
    fn configuration(&self) -> Value {
        let patience = format!("{}s", self.patience);
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "JoinConfiguration",
            "discovery": {"bootstrapToken": {
                "apiServerEndpoint": self.endpoint,
                "token": self.token,
                "caCertHashes": [self.ca_cert_hash],
            }},
            "nodeRegistration": {"ignorePreflightErrors": [IGNORED]},
            "timeouts": {
                "discovery": patience, "kubernetesAPICall": patience, "tlsBootstrap": patience,
                "kubeletHealthCheck": "30s",
            },
        })
    }
}

impl Machine {
    /// Adds a host of the kind `namespaces`; one that an interrupted test left goes first.
    ///
    /// # Errors
    /// It does not start.
    pub fn add(name: &str, minor: &str) -> Outcome<Self> {
        remove_left_over(name)?;
        let host = sandbox::add_host(name, HostKind::Namespaces, Some(minor))?;
        Ok(Self { record: host.record().clone() })
    }

    /// Boots a virtual machine that nothing but a user-data configures.
    ///
    /// # Errors
    /// It does not boot, or a command of the user-data fails.
    pub fn boot_virtual(name: &str, minor: &str, user_data: &str) -> Outcome<Self> {
        remove_left_over(name)?;
        Self::boot_behind(Link::Open, name, minor, user_data)
    }

    /// [`Self::boot_virtual`] where nobody can reach it: a firewall before the machine lets nothing in, and nothing out but DNS
    /// and what is for the gateway.
    ///
    /// # Errors
    /// As there.
    pub fn boot_outbound_only(name: &str, minor: &str, user_data: &str) -> Outcome<Self> {
        remove_left_over(name)?;
        Self::boot_behind(Link::OutboundOnly, name, minor, user_data)
    }

    fn boot_behind(link: Link, name: &str, minor: &str, user_data: &str) -> Outcome<Self> {
        let host = sandbox::add_virtual_machine(name, Some(minor), user_data, link)?;
        Ok(Self { record: host.record().clone() })
    }

    /// Switches a virtual machine off, and on again at another address.
    ///
    /// # Errors
    /// It does not come up.
    pub fn move_elsewhere(&mut self) -> Outcome {
        self.record = step(format!("move {}", self.name()), || {
            sandbox::move_virtual_machine(&self.record.name)
        })?;
        Ok(())
    }

    /// Its name, which is its node's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// What is written down about it.
    #[must_use]
    pub fn record(&self) -> &HostRecord {
        &self.record
    }

    /// Its address, which is its node's.
    #[must_use]
    pub fn address(&self) -> String {
        self.record.address.to_string()
    }

    /// Runs the very command that the tenant was handed.
    ///
    /// # Errors
    /// kubeadm fails.
    pub fn join(&self, secret: &JoinSecret) -> Outcome {
        step(format!("kubeadm join on {}", self.name()), || {
            let ignore = format!("--ignore-preflight-errors={IGNORED}");
            let words: Vec<&str> =
                secret.command.split_whitespace().chain([ignore.as_str()]).collect();
            self.run(&words).map(drop)
        })
    }

    /// Tries to join by configuration file; the inner result is kubeadm's.
    ///
    /// # Errors
    /// The configuration file cannot be written.
    pub fn try_join(&self, attempt: &JoinAttempt) -> Outcome<Result<(), String>> {
        let words = ["tee", CONFIGURATION].map(str::to_owned);
        let configuration = attempt.configuration().to_string();
        feed(&mut self.host().exec(&words)?, configuration.as_bytes())?;
        Ok(self
            .run(&["kubeadm", "join", "--config", CONFIGURATION])
            .map(drop)
            .map_err(|failure| failure.to_string()))
    }

    /// Loads what nodes of a minor run, as if pulled: kube-proxy and CoreDNS of a cluster that is upgraded.
    ///
    /// # Errors
    /// containerd refuses an image.
    pub fn load_images(&self, minor: &str) -> Outcome {
        Ok(sandbox::load(self.host().as_ref(), &images::node(minor)?)?)
    }

    /// Loads an image's archive, as if pulled.
    ///
    /// # Errors
    /// containerd refuses it.
    pub fn load(&self, archive: &Path) -> Outcome {
        Ok(sandbox::load(self.host().as_ref(), &[archive])?)
    }

    /// What a tenant admin does to a worker after an upgrade of the cluster: the new kubeadm, its word on the
    /// node, the new kubelet.
    ///
    /// # Errors
    /// kubeadm fails, or the kubelet does not restart.
    pub fn upgrade(&self, minor: &str) -> Outcome {
        self.load_images(minor)?;
        self.install(minor, "kubeadm")?;
        let ignore = format!("--ignore-preflight-errors={IGNORED}");
        step(format!("kubeadm upgrade node on {}", self.name()), || {
            self.run(&["kubeadm", "upgrade", "node", &ignore]).map(drop)
        })?;
        self.install(minor, "kubelet")?;
        self.run(&["systemctl", "restart", "kubelet"]).map(drop)
    }

    /// Replaces a program of the machine, as its package would.
    fn install(&self, minor: &str, program: &str) -> Outcome {
        let from = components::ensure(&Component::kubernetes(minor)?, program)?;
        let file = File::open(from)?;
        let script = format!(
            "cat > /usr/bin/{program}.new && chmod 755 /usr/bin/{program}.new \
             && mv /usr/bin/{program}.new /usr/bin/{program}"
        );
        let words = ["sh", "-c", &script].map(str::to_owned);
        Ok(feed(&mut self.host().exec(&words)?, file).map(drop)?)
    }

    /// Undoes a join, or half of one.
    ///
    /// # Errors
    /// kubeadm fails.
    pub fn reset(&self) -> Outcome {
        self.run(&["kubeadm", "reset", "--force"]).map(drop)
    }

    /// Switches the machine off and on.
    ///
    /// # Errors
    /// It does not come up.
    pub fn reboot(&self) -> Outcome {
        Ok(step(format!("reboot {}", self.name()), || self.host().boot())?)
    }

    /// Runs a command on it.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, words: &[&str]) -> Outcome<String> {
        Ok(output(&mut self.command(words)?)?)
    }

    /// A command on it, not yet run.
    ///
    /// # Errors
    /// The machine is off.
    pub fn command(&self, words: &[&str]) -> Outcome<Command> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(self.host().exec(&words)?)
    }

    /// What DNS does elsewhere: `host` is at that address.
    ///
    /// # Errors
    /// The machine is off.
    pub fn knows(&self, address: Ipv4Addr, host: &str) -> Outcome {
        let known = format!("echo {address} {host} >> /etc/hosts");
        self.run(&["sh", "-c", &known]).map(drop)
    }

    /// Fails unless its kubelet has that endpoint (`host:port`).
    ///
    /// # Errors
    /// It has another one, or none.
    pub fn uses(&self, endpoint: &str) -> Outcome {
        let kubeconfig = self.run(&["cat", "/etc/kubernetes/kubelet.conf"])?;
        ensure_says(&kubeconfig, &[&format!("server: https://{endpoint}\n")])
    }

    /// Waits until its kubelet gets through to the API server once more.
    ///
    /// # Errors
    /// It does not within that time.
    pub fn renews(&self, cluster: &Kubectl, within: Duration) -> Outcome {
        let mut before = None::<String>;
        wait_until(&format!("{} renews its Lease", self.name()), within, || {
            let lease = cluster.get(&["lease", "-n", "kube-node-lease", self.name()])?;
            let now = text(&lease, "/spec/renewTime");
            let before = before.get_or_insert_with(|| now.to_owned());
            // RFC 3339 in UTC orders as text.
            Ok(Look::done_if(now > before.as_str(), || format!("last renewed {now}")))
        })
    }

    /// Since when its node is Ready.
    ///
    /// # Errors
    /// It is not Ready.
    pub fn ready_since(&self, cluster: &Kubectl) -> Outcome<String> {
        let node = cluster.get(&["node", self.name()])?;
        let ready = each(&node, "/status/conditions").find(|one| text(one, "/type") == "Ready");
        let ready = ready.filter(|one| text(one, "/status") == "True");
        let ready = ready.ok_or_else(|| Failure::new(format!("it is {}", node["status"])))?;
        Ok(text(ready, "/lastTransitionTime").to_owned())
    }

    /// Fails if the node is not Ready, or was not in between.
    ///
    /// # Errors
    /// So it is.
    pub fn stayed_ready(&self, cluster: &Kubectl, since: &str) -> Outcome {
        let now = self.ready_since(cluster)?;
        ensure(now == since, || format!("{} is Ready since {now}, not {since}", self.name()))
    }

    fn host(&self) -> Box<dyn Host> {
        host::of(self.record.clone())
    }

    /// Waits until its node is Ready in a cluster.
    ///
    /// # Errors
    /// It is not within that time.
    pub fn await_ready(&self, cluster: &Kubectl, within: Duration) -> Outcome {
        let node = self.name();
        wait_until(&format!("node {node} is Ready"), within, || {
            let found = super::tenant::condition(&cluster.get(&["node", node])?, "Ready")?;
            Ok(Look::done_if(found.status == "True", || format!("{found:?}")))
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let name = self.name().to_owned();
        if let Err(error) = sandbox::remove_host(&name) {
            say(&format!("could not remove {name}: {error}"));
        }
    }
}

fn remove_left_over(name: &str) -> Outcome {
    let there = state::hosts()?.iter().any(|record| record.name == name);
    if there {
        sandbox::remove_host(name).map_err(|error: error::Error| Failure::from(error))
    } else {
        Ok(())
    }
}
