//! What is still to come, and what nothing more comes of: `Reconciling` and `Stalled`, there only while True (kstatus).

use nagaya_api::reasons;

use super::{ContentState, Findings, State, Verdict, parts, snapshots};
use crate::membership::EtcdFindings;
use crate::turns::TemplateState;
use crate::upgrade::{self, Versions};
use crate::workloads::Workload;

pub(super) fn reconciling(findings: &Findings<'_>) -> Option<Verdict> {
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
    if let Some(awaits) = findings.has_no_address(State::True) {
        return Some(awaits);
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
    if scaled && all.are_settled() && parts::content(findings).state == State::True {
        // Of one that moves: whoever waits for its turn, or for its pods, has to say that.
        return findings.awaits_address(State::True);
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
    let gate = upgrade::gate(tenant, findings.workloads, findings.jobs, findings.now);
    if let Some(gate) = gate.filter(|gate| !gate.is_open()) {
        let words = format!("from {from} to {}: {}", tenant.version, gate.words());
        return Some(Verdict::new(State::True, reasons::UPGRADING, words));
    }
    let versions = Versions::next(tenant, findings.workloads, None);
    let part = versions.waits_for(tenant.version).unwrap_or("the content of the tenant cluster");
    let all = findings.workloads;
    let problem = [&all.etcd, &all.api_server, &all.controller_manager, &all.scheduler]
        .into_iter()
        .find_map(|one| one.as_ref().filter(|one| !one.is_settled())?.problem.as_ref());
    let why = problem.map_or_else(String::new, |problem| format!(": {problem}"));
    let words = format!("from {from} to {}: waiting for {part}{why}", tenant.version);
    Some(Verdict::new(State::True, reasons::UPGRADING, words))
}

/// The first thing that is still missing; `on_its_way` is the reason if nothing is known to block it.
pub(super) fn waiting_for(
    findings: &Findings<'_>,
    state: State,
    on_its_way: &'static str,
) -> Verdict {
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

pub(super) fn stalled(findings: &Findings<'_>) -> Option<Verdict> {
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
