//! One function per condition: what each part says, and what all of them say together.

use nagaya_api::{conditions as types, reasons};

use super::{ContentState, Findings, Probed, State, Verdict, nodes, snapshots};
use crate::diagnosis::{Blockage, Blocked};
use crate::membership::EtcdFindings;
use crate::probe;
use crate::rolling::TemplateState;
use crate::rollout::{self, Rollout};
use crate::workloads::{Workload, Workloads};

/// Every condition of a tenant, in the order in which a reader wants them.
pub(super) fn all(findings: &Findings<'_>) -> Vec<(&'static str, Option<Verdict>)> {
    let workloads = findings.workloads;
    let mut found = vec![
        (types::READY, Some(ready(findings))),
        (types::RECONCILING, reconciling(findings)),
        (types::STALLED, stalled(findings)),
        (types::ACCEPTED, Some(accepted(findings))),
    ];
    if findings.tenant.is_none() && !findings.plane_exists {
        return found;
    }
    found.extend([
        (types::CERTIFICATES_READY, certificates(findings)),
        (types::ETCD_READY, Some(etcd(findings))),
        (types::API_SERVER_READY, Some(workload("kube-apiserver", workloads.api_server.as_ref()))),
        (
            types::CONTROLLER_MANAGER_READY,
            Some(workload("kube-controller-manager", workloads.controller_manager.as_ref())),
        ),
        (types::SCHEDULER_READY, Some(workload("kube-scheduler", workloads.scheduler.as_ref()))),
        (types::CONTENT_READY, Some(content(findings))),
        (types::ENDPOINT_REACHABLE, endpoint(findings)),
        (types::SNAPSHOTS_READY, snapshots::taken(findings)),
        (types::NODES_CUT_OFF, nodes::cut_off(findings)),
    ]);
    found
}

/// True exactly when a stock `kubeadm join` would succeed now.
fn ready(findings: &Findings<'_>) -> Verdict {
    if let Some(words) = snapshots::restoring(findings).filter(|restore| restore.stopped) {
        return Verdict::new(State::False, reasons::RESTORING, words.words);
    }
    // Nobody joins without a write, and the probe hardly ever writes.
    if let Some(quota) = findings.etcd.and_then(|etcd| etcd.no_space) {
        let full = blocked(findings, types::READY, no_space(quota));
        return Verdict::new(State::False, full.blockage.reason(), full.to_string());
    }
    match findings.probed {
        Probed::Report(report) => match report.first_failure() {
            Some((part, reason, message)) => cause(findings, part).unwrap_or_else(|| {
                Verdict::new(State::False, reason.into(), format!("{part}: {message}"))
            }),
            None if report.joinable() => Verdict::new(
                State::True,
                reasons::JOINABLE,
                "a stock kubeadm join would succeed now",
            ),
            None => Verdict::new(
                State::Unknown,
                reasons::PROBE_INCOMPLETE,
                "the last probe ran out of time before it had seen everything; it is repeated",
            ),
        },
        Probed::Blind => blind(),
        Probed::NotYet if findings.born => {
            let is_probed = findings.tenant.is_some() && findings.failure.is_none();
            as_before(findings, types::READY).filter(|_| is_probed).unwrap_or_else(not_probed)
        }
        Probed::NotYet => match (findings.refusal, findings.failure) {
            (Some(refusal), _) => Verdict::new(State::False, reasons::REFUSED, refusal.to_string()),
            (_, Some(failure)) => Verdict::new(State::False, failure.reason, &failure.message),
            _ => waiting_for(findings, State::False, reasons::PROVISIONING),
        },
    }
}

/// What is behind a part that the probe found wanting: a door is closed because nobody is in.
fn cause(findings: &Findings<'_>, part: &str) -> Option<Verdict> {
    let failed = findings
        .failure
        .filter(|failure| !findings.born && failure.reason != reasons::OBJECT_CHANGED);
    if let Some(failure) = failed {
        return Some(Verdict::new(State::False, failure.reason, &failure.message));
    }
    let Workloads { etcd, api_server, controller_manager, scheduler: _ } = findings.workloads;
    let signer = controller_manager.as_ref().filter(|_| ["signature", "signer"].contains(&part));
    let behind = [
        ("etcd", etcd.as_ref()),
        ("kube-apiserver", api_server.as_ref()),
        ("kube-controller-manager", signer),
    ];
    behind.into_iter().find_map(|(name, one)| {
        let blocked = one.filter(|one| !one.serves())?.problem.as_ref()?;
        let words = format!("{part}: waiting for {name}: {blocked}");
        Some(Verdict::new(State::False, blocked.blockage.reason(), words))
    })
}

/// A manager that has just started knows nothing yet: what its predecessor saw stays for the few seconds until the
/// first look.
fn as_before(findings: &Findings<'_>, kind: &str) -> Option<Verdict> {
    let mut previous = findings.raw.status.iter().flat_map(|status| &status.conditions);
    previous.find(|one| one.type_ == kind && findings.born).map(Verdict::of)
}

fn blind() -> Verdict {
    Verdict::new(
        State::Unknown,
        reasons::PROBER_BLIND,
        "most tenants became unreachable at the same moment: the manager's own network is suspect; look at the \
         management cluster first",
    )
}

fn not_probed() -> Verdict {
    Verdict::new(State::Unknown, reasons::NOT_PROBED_YET, "the endpoint has not been probed yet")
}

fn reconciling(findings: &Findings<'_>) -> Option<Verdict> {
    if stalled(findings).is_some() {
        return None;
    }
    if let Some(failure) = findings.failure {
        return Some(Verdict::new(State::True, failure.reason, &failure.message));
    }
    if let Some(contested) = findings.contested {
        let reason = contested.blockage.reason();
        return Some(Verdict::new(State::True, reason, contested.to_string()));
    }
    if findings.raw.spec.paused {
        return None;
    }
    if let Some(restoring) = snapshots::restoring(findings) {
        return Some(Verdict::new(State::True, reasons::RESTORING, restoring.words));
    }
    if let Some(upgrading) = upgrading(findings) {
        return Some(upgrading);
    }
    // A lone member that is away is no matter of quorums: what is said of its pod says more.
    let is_lone = findings.workloads.etcd.as_ref().is_none_or(|etcd| etcd.desired <= 1);
    let of_members = findings.etcd.filter(|etcd| etcd.quorum || !is_lone);
    if let Some(words) = of_members.and_then(EtcdFindings::words) {
        return Some(Verdict::new(State::True, reasons::SCALING, words));
    }
    if let Some(rolling) = rolling(findings) {
        return Some(rolling);
    }
    let all = findings.workloads;
    let has = |workload: &Option<Workload>, replicas| {
        workload.as_ref().is_some_and(|one| one.desired == replicas)
    };
    let scaled = findings.tenant.is_none_or(|tenant| {
        has(&all.api_server, tenant.api_server_replicas) && has(&all.etcd, tenant.etcd.replicas)
    });
    let rolled_out = scaled
        && [&all.etcd, &all.api_server, &all.controller_manager, &all.scheduler]
            .into_iter()
            .all(|workload| workload.as_ref().is_some_and(Workload::is_settled));
    if rolled_out && content_is_in_place(findings) {
        return None;
    }
    Some(waiting_for(findings, State::True, reasons::PROGRESSING))
}

fn rolling(findings: &Findings<'_>) -> Option<Verdict> {
    match &findings.tenant?.templates.state {
        TemplateState::Written => None,
        TemplateState::Following => {
            Some(Verdict::new(State::True, reasons::PROGRESSING, "its pods are being replaced"))
        }
        TemplateState::Waiting(words) => {
            Some(Verdict::new(State::True, reasons::WAITING_TO_ROLL, words))
        }
    }
}

fn upgrading(findings: &Findings<'_>) -> Option<Verdict> {
    let tenant = findings.tenant?;
    let from = tenant.upgrading_from?;
    let gate = rollout::gate(tenant, findings.workloads, findings.jobs, findings.now);
    if let Some(gate) = gate.filter(|gate| !gate.is_open()) {
        let words = format!("from {from} to {}: {}", tenant.version, gate.words());
        return Some(Verdict::new(State::True, reasons::UPGRADING, words));
    }
    let rollout = Rollout::next(tenant, findings.workloads, None);
    let part = rollout.waits_for(tenant.version).unwrap_or("the content of the tenant cluster");
    let all = findings.workloads;
    let problem = [&all.etcd, &all.api_server, &all.controller_manager, &all.scheduler]
        .into_iter()
        .find_map(|one| one.as_ref().filter(|one| !one.is_settled())?.problem.as_ref());
    let why = problem.map_or_else(String::new, |problem| format!(": {problem}"));
    let words = format!("from {from} to {}: waiting for {part}{why}", tenant.version);
    Some(Verdict::new(State::True, reasons::UPGRADING, words))
}

fn stalled(findings: &Findings<'_>) -> Option<Verdict> {
    if let Some(refusal) = findings.refusal {
        return Some(Verdict::new(State::True, reasons::REFUSED, refusal.to_string()));
    }
    if snapshots::restoring(findings).is_some() {
        return None;
    }
    let etcd = findings.workloads.etcd.as_ref()?;
    let problem = etcd.problem.as_ref().filter(|_| findings.born && !etcd.serves())?;
    if !problem.blockage.threatens_data() {
        return None;
    }
    Some(Verdict::new(
        State::True,
        reasons::ETCD_DOWN,
        format!(
            "etcd does not come up and its data may be lost, nothing is made anew: restore its volume, or a snapshot \
             by spec.restoreFrom: {problem}"
        ),
    ))
}

fn accepted(findings: &Findings<'_>) -> Verdict {
    match findings.refusal {
        Some(refusal) => Verdict::new(State::False, reasons::REFUSED, refusal.to_string()),
        None if findings.raw.spec.paused => Verdict::new(
            State::True,
            reasons::PAUSED,
            "the spec is valid; nothing is applied while spec.paused is true",
        ),
        None => Verdict::new(State::True, reasons::VALID, "the spec is valid"),
    }
}

fn certificates(findings: &Findings<'_>) -> Option<Verdict> {
    if findings.certificates_ready {
        return Some(Verdict::new(
            State::True,
            reasons::ISSUED,
            "every key and certificate is in its life",
        ));
    }
    findings.tenant?;
    Some(Verdict::new(
        State::False,
        reasons::PENDING,
        "keys and certificates are not all there yet",
    ))
}

/// Of several members some may be missing; without a quorum the others are of no use.
fn etcd(findings: &Findings<'_>) -> Verdict {
    let pods = findings.workloads.etcd.as_ref();
    let found = findings.etcd;
    let blockage = match (found, pods) {
        (Some(EtcdFindings { quorum: false, answering, .. }), Some(pods)) if pods.desired > 1 => {
            Blockage::QuorumLost { healthy: *answering, members: pods.desired }
        }
        (Some(EtcdFindings { no_space: Some(quota), .. }), _) => no_space(*quota),
        _ => return workload("etcd", pods),
    };
    let problem = pods.and_then(|pods| pods.problem.as_ref()).map(ToString::to_string);
    let problem = problem.or_else(|| found?.failure.clone());
    let why = problem.map_or_else(String::new, |problem| format!(": {problem}"));
    let reason = blockage.reason();
    let blocked = blocked(findings, types::ETCD_READY, blockage);
    Verdict::new(State::False, reason, format!("{blocked}{why}"))
}

/// No object says since when: since the condition of it is False.
fn blocked(findings: &Findings<'_>, kind: &str, blockage: Blockage) -> Blocked {
    let mut previous = findings.raw.status.iter().flat_map(|status| &status.conditions);
    let is_false = previous.find(|one| one.type_ == kind && one.status == "False");
    let since = is_false.map_or(findings.now, |one| one.last_transition_time.0);
    Blocked::new(blockage, Some(since))
}

fn no_space(quota: u64) -> Blockage {
    Blockage::NoSpace { quota: format!("{} MiB", quota >> 20) }
}

fn workload(name: &str, workload: Option<&Workload>) -> Verdict {
    let Some(workload) = workload else {
        return Verdict::new(
            State::False,
            reasons::MISSING,
            format!("{name} has not been created yet"),
        );
    };
    let count = format!("{} of {} {name} replicas are ready", workload.ready, workload.desired);
    match (&workload.problem, workload.serves()) {
        (_, true) => Verdict::new(State::True, reasons::READY, count),
        (Some(problem), false) => {
            Verdict::new(State::False, problem.blockage.reason(), format!("{count}: {problem}"))
        }
        (None, false) => Verdict::new(State::False, reasons::NOT_READY, count),
    }
}

fn content_is_in_place(findings: &Findings<'_>) -> bool {
    content(findings).state == State::True
}

fn content(findings: &Findings<'_>) -> Verdict {
    match findings.content {
        ContentState::Applied => Verdict::new(
            State::True,
            reasons::APPLIED,
            "everything that kubeadm and nodes read is in place",
        ),
        ContentState::Pending if findings.raw.spec.paused => Verdict::new(
            State::Unknown,
            reasons::PAUSED,
            "the content is not looked after while spec.paused is true",
        ),
        ContentState::Pending => {
            let before = as_before(findings, types::CONTENT_READY);
            before.filter(|before| before.reason != reasons::PAUSED).unwrap_or_else(|| {
                Verdict::new(State::False, reasons::PENDING, "waiting for the tenant's API server")
            })
        }
        ContentState::Changing => {
            Verdict::new(State::False, reasons::PENDING, "what has changed is being written")
        }
        ContentState::Failed(message) => Verdict::new(
            State::False,
            reasons::APPLY_FAILED,
            format!("{message}; it is tried again"),
        ),
    }
}

fn endpoint(findings: &Findings<'_>) -> Option<Verdict> {
    let report = match findings.probed {
        Probed::Report(report) => report,
        Probed::NotYet => {
            let before = as_before(findings, types::ENDPOINT_REACHABLE);
            return before.filter(|_| findings.tenant.is_some());
        }
        Probed::Blind => return Some(blind()),
    };
    Some(match &report.endpoint {
        probe::Finding::Ok => Verdict::new(
            State::True,
            reasons::REACHABLE,
            "the public endpoint answers as it should",
        ),
        probe::Finding::Failed { reason, message } => {
            Verdict::new(State::False, reason.into(), message)
        }
        probe::Finding::Unknown => not_probed(),
    })
}

/// The first thing that is still missing; `on_its_way` is the reason if nothing is known to block it.
fn waiting_for(findings: &Findings<'_>, state: State, on_its_way: &'static str) -> Verdict {
    let all = findings.workloads;
    let missing = [
        ("etcd", &all.etcd),
        ("kube-apiserver", &all.api_server),
        ("kube-controller-manager", &all.controller_manager),
        ("kube-scheduler", &all.scheduler),
    ]
    .into_iter()
    .find_map(|(name, one)| match one {
        Some(one) if one.serves() && one.rolled_out => None,
        Some(Workload { problem: Some(problem), .. }) => {
            Some((problem.blockage.reason(), format!("waiting for {name}: {problem}")))
        }
        _ => Some((on_its_way, format!("waiting for {name}"))),
    });
    let (reason, words) = missing.unwrap_or_else(|| match findings.content {
        ContentState::Applied => {
            (on_its_way, "waiting for the first probe of the endpoint".to_owned())
        }
        _ => (on_its_way, "waiting for the content of the tenant cluster".to_owned()),
    });
    Verdict::new(state, reason, words)
}
