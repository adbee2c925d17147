//! A running cluster gets another endpoint: what is kept of the former one, and which nodes still use it.
//!
//! Both are served, each by a Service of its own, until the operator ends the former one. Nothing here knows what types of
//! endpoints there are.
//!
//! Which endpoint a kubelet uses is in a file of its machine alone. A node is taken for one that uses what was handed out
//! when it joined, until its Node says something else: the command that changes the file ([`command`]) writes that there,
//! by the kubelet's own credential and over the new endpoint.

mod command;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use nagaya_api::{Expose, ExposeType};
use serde::{Deserialize, Serialize};

pub use command::command;

use crate::plane::names;
use crate::tenant::{Endpoint, Exposure, Way};

/// As long as kubeadm waits between what it reads in cluster-info and the Node (`timeouts.tlsBootstrap`, 5 minutes): a node
/// that came so soon after a change may have read what was there before it.
const JOIN: Duration = Duration::from_mins(5);
/// By how much the clocks of the manager and of a tenant's API server may differ.
const SKEW: Duration = Duration::from_mins(1);
/// Changes that are remembered; what a node joined by before that is not known.
const MOST_CHANGES: usize = 20;
/// How many nodes are told by name.
pub const MOST_NAMES: usize = 20;

/// What is beside the endpoint since it was changed. The default: it never was, or what was before has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Service of the endpoint.
    pub service: PublicService,
    /// The endpoint of before, which is served too.
    pub former: Option<Former>,
    /// The endpoint was asked for and its Service is not made yet: nobody knows it, and it can be corrected.
    pub unmade: bool,
    /// What the endpoint is to be, once a load balancer has given its address. Until then nothing of it is recorded.
    pub awaited: Option<Box<Awaited>>,
}

/// An endpoint whose address is awaited while the one of before is the endpoint still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// As it is asked for.
    pub expose: Expose,
    /// All of it but host and address.
    pub exposure: Exposure,
}

/// The two Services that endpoints take in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicService {
    /// That a cluster is born with.
    #[default]
    First,
    /// That of a cluster whose endpoint was changed.
    Second,
}

impl PublicService {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => names::API_SERVER_PUBLIC,
            Self::Second => names::API_SERVER_PUBLIC_2,
        }
    }

    /// The one that `name` is of.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == names::API_SERVER_PUBLIC_2 { Self::Second } else { Self::First }
    }

    /// Not this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// An endpoint that is served until the operator ends it. It is recorded whole: the spec and the configuration that it
/// followed from are others now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Former {
    /// As it was asked for.
    #[serde(rename = "type")]
    pub type_: ExposeType,
    /// Its Service.
    pub service: PublicService,
    /// A DNS name or an IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// IP addresses behind `host`.
    pub addresses: Vec<IpAddr>,
    /// What leads there.
    pub way: Way,
    /// Further names under which clients reach it.
    #[serde(default)]
    pub extra_names: Vec<String>,
    /// What nodes were handed when they joined, in order.
    pub handed_out: Vec<HandedOut>,
}

/// An endpoint that nodes are handed when they join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandedOut {
    /// `host:port`.
    pub endpoint: String,
    /// No node was handed it before; `None`: it may have been at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Time>,
    /// Every node was handed it from then on; `None`: that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl Former {
    /// Host and port.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port }
    }

    /// Names and addresses under which clients reach it.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        std::iter::once(self.host.clone()).chain(addresses).chain(self.extra_names.iter().cloned())
    }

    /// Whether `endpoint` is what nodes are to be handed now.
    #[must_use]
    pub fn hands_out(&self, endpoint: &Endpoint) -> bool {
        self.handed_out.last().is_some_and(|last| last.endpoint == endpoint.authority())
    }

    /// Nodes are going to be handed `endpoint`.
    pub fn begin(&mut self, endpoint: &Endpoint, now: Timestamp) {
        if self.hands_out(endpoint) {
            return;
        }
        let begun = Some(Time(now));
        self.handed_out.push(HandedOut { endpoint: endpoint.authority(), begun, since: None });
        let forgotten = self.handed_out.len().saturating_sub(MOST_CHANGES);
        self.handed_out.drain(..forgotten);
    }

    /// All that nodes read says what they are to be handed.
    pub fn complete(&mut self, now: Timestamp) {
        if let Some(last) = self.handed_out.last_mut().filter(|last| last.begun.is_some()) {
            last.since.get_or_insert(Time(now));
        }
    }

    /// The endpoint that a node uses, as far as it is known. `told`: what its Node says ([`nagaya_api::labels::NODE_ENDPOINT`]).
    #[must_use]
    pub fn used_by<'a>(
        &'a self,
        told: Option<&'a str>,
        joined: Option<Timestamp>,
    ) -> Option<&'a str> {
        if told.is_some() {
            return told;
        }
        let joined = joined?;
        let at = |time: &Option<Time>| time.as_ref().map(|time| time.0);
        let begun = |one: &&HandedOut| at(&one.begun).is_none_or(|begun| begun <= joined + SKEW);
        let last = self.handed_out.iter().rfind(begun)?;
        let is_sure = match last.begun {
            None => true,
            Some(_) => at(&last.since).is_some_and(|since| joined >= since + JOIN),
        };
        is_sure.then_some(last.endpoint.as_str())
    }
}

/// The nodes that are not known to use the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesLeft {
    /// How many.
    pub count: usize,
    /// The first [`MOST_NAMES`] of them, in order.
    pub names: Vec<String>,
}

impl NodesLeft {
    /// Of these.
    #[must_use]
    pub fn of(nodes: &BTreeSet<String>) -> Self {
        Self { count: nodes.len(), names: nodes.iter().take(MOST_NAMES).cloned().collect() }
    }
}

#[cfg(test)]
mod tests;
