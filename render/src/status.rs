//! The status step: (previous status, what this pass found) → status. Pure, computed once per pass, on
//! success and on failure alike.

mod conditions;
mod moved;
mod nodes;
mod parts;
mod probed;
mod reconciling;
mod snapshots;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use nagaya_api::{TenantCluster, TenantClusterStatus, conditions as types, reasons};

pub use conditions::{State, Verdict, merge};

use crate::diagnosis::{Blockage, Blocked};
use crate::load_balancer::{self, BalancerView};
use crate::membership::EtcdFindings;
use crate::moves::NodesLeft;
use crate::nodes::Nodes;
use crate::probe::ProbeReport;
use crate::snapshots::PlaneJobs;
use crate::tenant::{Tenant, Way};
use crate::validate::Refusal;
use crate::workloads::Workloads;

/// What stopped a pass: the name of an error and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `CamelCase`, an event reason and a metric label too.
    pub reason: &'static str,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// A write that the API server refuses for a reason that has a name. No object says since when: since there is
    /// something left to do.
    #[must_use]
    pub fn of_refusal(blockage: Blockage, raw: &TenantCluster, now: Timestamp) -> Self {
        let since = since(raw, (types::RECONCILING, "True"), now);
        Self::from(&Blocked::new(blockage, Some(since)))
    }
}

impl From<&Blocked> for Failure {
    fn from(blocked: &Blocked) -> Self {
        Self { reason: blocked.blockage.reason(), message: blocked.to_string() }
    }
}

/// How far the content of the tenant cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContentState {
    /// Waiting for the API server, or being written.
    #[default]
    Pending,
    /// What was written last is there, and something else is wanted since.
    Changing,
    /// Everything is there as rendered.
    Applied,
    /// The last attempt failed; it is tried again.
    Failed(String),
}

/// What the prober knows of a tenant.
#[derive(Clone, Copy, Debug)]
pub enum Probed<'a> {
    /// Not yet probed by this manager.
    NotYet,
    /// The endpoint is another one since.
    Elsewhere,
    /// So many tenants fail at once that the prober itself is suspect.
    Blind,
    /// The last report.
    Report(&'a ProbeReport),
}

/// Everything one pass found.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    /// The object.
    pub raw: &'a TenantCluster,
    /// The time.
    pub now: Timestamp,
    /// The tenant that is in force: of this spec, or of the last one that was accepted.
    pub tenant: Option<&'a Tenant>,
    /// Why this spec is not in force.
    pub refusal: Option<&'a Refusal>,
    /// The control-plane namespace exists.
    pub plane_exists: bool,
    /// What stopped this pass, if anything.
    pub failure: Option<&'a Failure>,
    /// Who undoes what Nagaya writes, if anybody.
    pub contested: Option<&'a Blocked>,
    /// Certificates and keys are all there and in their life.
    pub certificates_ready: bool,
    /// The workloads on the management cluster.
    pub workloads: &'a Workloads,
    /// What etcd says of itself; `None`: not asked yet.
    pub etcd: Option<&'a EtcdFindings>,
    /// Jobs that save or restore etcd.
    pub jobs: &'a PlaneJobs,
    /// What is seen of the load balancer, if one is to lead to it.
    pub balancer: &'a BalancerView,
    /// The content of the tenant cluster.
    pub content: &'a ContentState,
    /// What a joining node would meet.
    pub probed: Probed<'a>,
    /// The tenant's nodes, when known.
    pub nodes: Option<&'a Nodes>,
    /// Nodes that are not known to use the endpoint, when known; asked for while there is a former one.
    pub nodes_left: Option<&'a NodesLeft>,
    /// What the gateway refuses, if anything.
    pub limited: Option<&'a Verdict>,
    /// The plane was ready once: from then on an etcd that does not come up is lost data, not a slow start.
    pub born: bool,
}

impl<'a> Findings<'a> {
    /// What the last pass said.
    fn before(&self, kind: &str) -> Option<&'a Condition> {
        self.raw.condition(kind)
    }

    /// It waits for an address.
    fn awaits_address(&self, state: State) -> Option<Verdict> {
        let words = load_balancer::missing(self.tenant?, self.balancer)?;
        let awaits = Verdict::new(state, reasons::LOAD_BALANCER_PENDING, words);
        Some(awaits).filter(|_| self.failure.is_none())
    }

    /// It has none at all, which is said before all that would follow.
    fn has_no_address(&self, state: State) -> Option<Verdict> {
        self.awaits_address(state)
            .filter(|_| self.tenant.is_some_and(|tenant| tenant.exposure.moves.awaited.is_none()))
    }

    /// Why nobody gets through to an endpoint by a load balancer.
    fn astray(&self) -> Option<Verdict> {
        let words = load_balancer::astray(self.tenant?, self.balancer)?;
        let is_other = !self.balancer.addresses.is_empty() || !self.balancer.names.is_empty();
        let reason =
            if is_other { reasons::ADDRESS_CHANGED } else { reasons::LOAD_BALANCER_PENDING };
        Some(Verdict::new(State::False, reason, words))
    }

    /// A manager that has just started knows nothing yet: what its predecessor saw stays for the few seconds until the
    /// first look.
    fn as_before(&self, kind: &str) -> Option<Verdict> {
        self.before(kind).filter(|_| self.born).map(Verdict::of)
    }
}

/// Since when a condition is what it is, or `now`.
fn since(raw: &TenantCluster, (kind, status): (&str, &str), now: Timestamp) -> Timestamp {
    let mut before = raw.status.iter().flat_map(|status| &status.conditions);
    let found = before.find(|one| one.type_ == kind && one.status == status);
    found.map_or(now, |one| one.last_transition_time.0)
}

/// The status that follows from `findings`.
#[must_use]
pub fn compute_status(findings: &Findings<'_>) -> TenantClusterStatus {
    let previous = findings.raw.status.clone().unwrap_or_default();
    let conditions = merge(
        &previous.conditions,
        verdicts(findings),
        findings.raw.metadata.generation,
        findings.now,
    );
    let base = TenantClusterStatus {
        observed_generation: findings.raw.metadata.generation,
        nodes: findings.nodes.map(nodes::count).or(previous.nodes),
        conditions,
        ..previous
    };
    let Some(tenant) = findings.tenant else { return base };
    // On the way to another version the cluster is still of the one before.
    let (version, resolved_from) = match tenant.upgrading_from {
        Some(from) => (from, base.resolved_from.clone()),
        None => (tenant.version, Some(tenant.spec.version.clone())),
    };
    TenantClusterStatus {
        version: Some(version.to_string()),
        resolved_from,
        snapshots: tenant.snapshots.taken.clone(),
        endpoint: tenant.endpoint().map(|endpoint| endpoint.authority()).or(base.endpoint.clone()),
        addresses: tenant.exposure.addresses.iter().map(ToString::to_string).collect(),
        node_port: match &tenant.exposure.way {
            Way::External { node_port } => node_port.map(i32::from),
            _ => None,
        },
        former_endpoint: moved::former_endpoint(findings),
        control_plane_namespace: if findings.plane_exists {
            Some(tenant.plane_namespace.clone())
        } else {
            base.control_plane_namespace.clone()
        },
        ..base
    }
}

/// Every condition of a tenant, in the order in which a reader wants them.
fn verdicts(findings: &Findings<'_>) -> Vec<(&'static str, Option<Verdict>)> {
    let workloads = findings.workloads;
    let mut found = vec![
        (types::READY, Some(probed::ready(findings))),
        (types::RECONCILING, reconciling::reconciling(findings)),
        (types::STALLED, reconciling::stalled(findings)),
        (types::ACCEPTED, Some(parts::accepted(findings))),
    ];
    if findings.tenant.is_none() && !findings.plane_exists {
        return found;
    }
    found.extend([
        (types::CERTIFICATES_READY, parts::certificates(findings)),
        (types::ETCD_READY, Some(parts::etcd(findings))),
        (
            types::API_SERVER_READY,
            Some(parts::workload("kube-apiserver", workloads.api_server.as_ref())),
        ),
        (
            types::CONTROLLER_MANAGER_READY,
            Some(parts::workload("kube-controller-manager", workloads.controller_manager.as_ref())),
        ),
        (
            types::SCHEDULER_READY,
            Some(parts::workload("kube-scheduler", workloads.scheduler.as_ref())),
        ),
        (types::CONTENT_READY, Some(parts::content(findings))),
        (types::ENDPOINT_REACHABLE, probed::endpoint(findings)),
        (types::CONNECTIONS_LIMITED, findings.limited.cloned()),
        (types::SNAPSHOTS_READY, snapshots::taken(findings)),
        (types::NODES_READY, nodes::ready(findings)),
        (types::NODES_CUT_OFF, nodes::cut_off(findings)),
        (types::NODES_MOVED, moved::nodes(findings)),
    ]);
    found
}

/// Whether `after` says no more than how far a tenant is on its way to Ready: it was not Ready and is not, and that it has
/// been refused, or what holds it up, is no news.
#[must_use]
pub fn is_step(before: &TenantClusterStatus, after: &TenantClusterStatus) -> bool {
    let is_on_its_way = |status: &TenantClusterStatus| {
        let of = |kind: &str| status.conditions.iter().find(|one| one.type_ == kind);
        of(types::READY).is_some_and(|ready| ready.status != "True")
            && of(types::RECONCILING).is_none_or(|way| way.reason == reasons::PROGRESSING)
            && of(types::STALLED).is_none()
    };
    let but_for_parts = |status: &TenantClusterStatus| TenantClusterStatus {
        conditions: Vec::new(),
        nodes: None,
        ..status.clone()
    };
    is_on_its_way(before) && is_on_its_way(after) && but_for_parts(before) == but_for_parts(after)
}

/// The status while the object is being deleted: what it waits for, or what failed, in words. Of the parts
/// nothing is said any more: they are on their way out.
#[must_use]
pub fn deleting_status(
    raw: &TenantCluster,
    waits_for: Result<&str, &Failure>,
    now: Timestamp,
) -> TenantClusterStatus {
    let previous = raw.status.clone().unwrap_or_default();
    let (reason, message) = match waits_for {
        Ok(words) => (reasons::DELETING, words),
        Err(failure) => (failure.reason, failure.message.as_str()),
    };
    let found = vec![
        (types::READY, Some(Verdict::new(State::False, reasons::DELETING, message))),
        (types::RECONCILING, Some(Verdict::new(State::True, reason, message))),
    ];
    let is_told = |one: &&Condition| found.iter().any(|(kind, _)| *kind == one.type_);
    let told: Vec<Condition> = previous.conditions.iter().filter(is_told).cloned().collect();
    let conditions = merge(&told, found, raw.metadata.generation, now);
    TenantClusterStatus { observed_generation: raw.metadata.generation, conditions, ..previous }
}
