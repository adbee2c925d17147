//! What each part of the way to `Ready` says of itself.

use nagaya_api::{conditions as types, reasons};

use super::{ContentState, Findings, State, Verdict, since};
use crate::diagnosis::{Blockage, Blocked};
use crate::membership::EtcdFindings;
use crate::workloads::Workload;

pub(super) fn accepted(findings: &Findings<'_>) -> Verdict {
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

pub(super) fn certificates(findings: &Findings<'_>) -> Option<Verdict> {
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
pub(super) fn etcd(findings: &Findings<'_>) -> Verdict {
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
pub(super) fn blocked(findings: &Findings<'_>, kind: &str, blockage: Blockage) -> Blocked {
    Blocked::new(blockage, Some(since(findings.raw, (kind, "False"), findings.now)))
}

pub(super) fn no_space(quota: u64) -> Blockage {
    Blockage::NoSpace { quota: format!("{} MiB", quota >> 20) }
}

pub(super) fn workload(name: &str, workload: Option<&Workload>) -> Verdict {
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

pub(super) fn content(findings: &Findings<'_>) -> Verdict {
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
            let before = findings.as_before(types::CONTENT_READY);
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
