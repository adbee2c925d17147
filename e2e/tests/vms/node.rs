//! A virtual machine and its node: what the cluster, its tenant and the doctor on it say.

use e2e::ring::kubectl::text;
use e2e::ring::tenant::condition;
use e2e::ring::{
    Condition, Diagnosis, JoinAttempt, Kubectl, Look, Machine, Outcome, Tenant, wait_until,
};
use serde_json::Value;

use super::{NODE_READY, used};

/// Those that pass on a node as they did before it was one.
const PASSED: [&str; 22] = [
    "programs",
    "kubelet-service",
    "host-name",
    "disk-space",
    "swap",
    "ip-forward",
    "bridge-netfilter",
    "cgroups",
    "runtime",
    "cgroup-driver",
    "proxy",
    "dns",
    "tcp",
    "tls",
    "mtu",
    "clock",
    "cluster-info",
    "token",
    "pin",
    "certificate",
    "endpoint",
    "rights",
];

pub struct Node<'t, 'p> {
    pub machine: Machine,
    /// With what it has joined.
    pub attempt: JoinAttempt,
    pub tenant: &'t Tenant<'p>,
    pub cluster: &'t Kubectl,
}

impl Node<'_, '_> {
    pub fn object(&self) -> Outcome<Value> {
        self.cluster.get(&["node", self.machine.name()])
    }

    pub fn condition(&self, kind: &str) -> Outcome<Condition> {
        condition(&self.object()?, kind)
    }

    /// Of the node, or of something in it: another one has another.
    pub fn uid(object: &Value) -> String {
        text(object, "/metadata/uid").to_owned()
    }

    pub fn doctor(&self) -> Outcome<Diagnosis> {
        self.machine.diagnose(&self.attempt, &[])
    }

    /// The node is Ready, its pod serves, and can be used through the tunnel; and its doctor finds nothing, but that it has joined.
    pub fn is_well(&self) -> Outcome {
        self.machine.await_ready(self.cluster, NODE_READY)?;
        used::in_every_way(self.cluster, &self.machine)?;
        self.tenant.await_condition("NodesReady", "True", NODE_READY)?;
        let name = self.machine.name();
        wait_until(
            &format!("the doctor on {name} finds that it is a node, and well"),
            NODE_READY,
            || {
                let said = self.is_known_as_a_node();
                Ok(Look::done_if(said.is_ok(), || {
                    said.err().map(|failure| failure.to_string()).unwrap_or_default()
                }))
            },
        )
    }

    fn is_known_as_a_node(&self) -> Outcome {
        let said = self.doctor()?;
        PASSED.iter().try_for_each(|check| said.says(check, "passed", ""))?;
        said.says("leftovers", "failed", "this machine is a node already")?;
        said.says("port", "failed", "kubelet (process")?;
        said.says("node-name", "failed", self.machine.name())
    }
}
