//! What is said from what the prober saw: `Ready` and `EndpointReachable`.

use nagaya_api::{conditions as types, reasons};

use super::parts::{blocked, no_space};
use super::reconciling::waiting_for;
use super::{Findings, Probed, State, Verdict, snapshots};
use crate::limited;
use crate::probe::{Finding, NOT_THROUGH, Reason};
use crate::tenant::Way;
use crate::workloads::Workloads;

/// The part of a report that is about the way there (`ProbeReport::parts`).
const ENDPOINT: &str = "endpoint";

/// True exactly when a stock `kubeadm join` would succeed now.
pub(super) fn ready(findings: &Findings<'_>) -> Verdict {
    if let Some(words) = snapshots::restoring(findings).filter(|restore| restore.stopped) {
        return Verdict::new(State::False, reasons::RESTORING, words.words);
    }
    if let Some(awaits) = findings.has_no_address(State::False) {
        return awaits;
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
        Probed::Elsewhere => not_probed(),
        Probed::Blind => blind(findings),
        Probed::NotYet if findings.born => {
            let is_probed = findings.tenant.is_some() && findings.failure.is_none();
            findings.as_before(types::READY).filter(|_| is_probed).unwrap_or_else(not_probed)
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
    let of_pods = behind.into_iter().find_map(|(name, one)| {
        let blocked = one.filter(|one| !one.serves())?.problem.as_ref()?;
        let words = format!("{part}: waiting for {name}: {blocked}");
        Some(Verdict::new(State::False, blocked.blockage.reason(), words))
    });
    of_pods.or_else(|| {
        let of_endpoint = findings.astray().or_else(|| refused_as_limited(findings));
        of_endpoint.filter(|_| part == ENDPOINT)
    })
}

/// The gateway refuses the manager's own look as it does all others, and says no more than that it does not get through.
fn refused_as_limited(findings: &Findings<'_>) -> Option<Verdict> {
    let Probed::Report(report) = findings.probed else { return None };
    let Finding::Failed { reason: Reason::GatewayRefuses, message } = &report.endpoint else {
        return None;
    };
    let of_limits = limited::of_api_server(&findings.limited?.message);
    let is_it = message.contains(NOT_THROUGH) && !of_limits.is_empty();
    let words = format!("{message}; {of_limits}");
    is_it.then(|| Verdict::new(State::False, Reason::GatewayRefuses.into(), words))
}

pub(super) fn endpoint(findings: &Findings<'_>) -> Option<Verdict> {
    if let Some(awaits) = findings.has_no_address(State::False) {
        return Some(awaits);
    }
    let report = match findings.probed {
        Probed::Report(report) => report,
        Probed::NotYet => {
            let before = findings.as_before(types::ENDPOINT_REACHABLE);
            return before.filter(|_| findings.tenant.is_some());
        }
        Probed::Elsewhere => return Some(not_probed()),
        Probed::Blind => return Some(blind(findings)),
    };
    Some(match &report.endpoint {
        Finding::Ok => Verdict::new(
            State::True,
            reasons::REACHABLE,
            "the public endpoint answers as it should",
        ),
        Finding::Failed { reason, message } => {
            let known = findings.astray().or_else(|| refused_as_limited(findings));
            known.unwrap_or_else(|| Verdict::new(State::False, reason.into(), message))
        }
        Finding::Unknown => not_probed(),
    })
}

fn blind(findings: &Findings<'_>) -> Verdict {
    let way = findings.tenant.map(|tenant| &tenant.exposure.way);
    let words = match way {
        Some(Way::Gateway { .. }) => {
            "most tenants became unreachable at the same moment: the gateway, or the manager's own network is suspect; \
             look whether the gateway's pods are ready first, and whether its address leads to them"
        }
        Some(Way::NodePort | Way::LoadBalancer(_) | Way::External { .. }) | None => {
            "most tenants became unreachable at the same moment: the manager's own network is suspect; look at the \
             management cluster first"
        }
    };
    Verdict::new(State::Unknown, reasons::PROBER_BLIND, words)
}

fn not_probed() -> Verdict {
    Verdict::new(State::Unknown, reasons::NOT_PROBED_YET, "the endpoint has not been probed yet")
}
