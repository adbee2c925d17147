//! What is said about nodes: those that are not Ready, and that all of them are cut off.

use nagaya_api::{conditions as types, reasons};

use super::{Findings, Probed, State, Verdict};
use crate::nodes::Nodes;

/// As status has it.
pub(super) fn count(nodes: &Nodes) -> i32 {
    i32::try_from(nodes.total).unwrap_or(i32::MAX)
}

/// Whether all nodes are Ready; `None`: there are none.
pub(super) fn ready(findings: &Findings<'_>) -> Option<Verdict> {
    let Some(nodes) = findings.nodes else { return findings.as_before(types::NODES_READY) };
    if nodes.total == 0 {
        return None;
    }
    let is_cut_off = findings.tenant.is_some_and(|tenant| tenant.cut_off_since.is_some());
    let unknown = match findings.probed {
        _ if is_cut_off => Some("nobody marks nodes that are cut off (see NodesCutOff)"),
        Probed::Report(report) if report.unreachable() => {
            Some("the API server does not answer (see Ready)")
        }
        _ => None,
    };
    Some(match (unknown, nodes.not_ready) {
        (Some(why), _) => {
            let words = format!("{why}; as seen last, {nodes}");
            Verdict::new(State::Unknown, reasons::NODES_NOT_SEEN, words)
        }
        (None, 0) => Verdict::new(State::True, reasons::READY, nodes.to_string()),
        (None, _) => Verdict::new(State::False, reasons::NOT_READY, nodes.to_string()),
    })
}

/// Whether nodes are left alone because all of them are cut off; `None`: they never were.
pub(super) fn cut_off(findings: &Findings<'_>) -> Option<Verdict> {
    let tenant = findings.tenant?;
    let Some(since) = tenant.cut_off_since else {
        return findings.before(types::NODES_CUT_OFF).map(|_| {
            Verdict::new(
                State::False,
                reasons::NODES_LOOKED_AFTER,
                "nodes renew their Leases again, or fewer than two are left: kube-controller-manager looks after them as \
                 usual",
            )
        });
    };
    let is_full = findings.etcd.is_some_and(|etcd| etcd.no_space.is_some());
    let (reason, hint) = if is_full {
        (
            reasons::ETCD_IS_FULL,
            "a Lease cannot be written while etcd is full: see NoSpace".to_owned(),
        )
    } else {
        let endpoint = tenant.endpoint().map(|endpoint| endpoint.authority()).unwrap_or_default();
        let hint = format!(
            "see what is between the nodes and {endpoint}, and delete the Nodes of machines that were switched off for \
             good"
        );
        (reasons::LEASES_STALE, hint)
    };
    Some(Verdict::new(
        State::True,
        reason,
        format!(
            "since about {since} no node has renewed its Lease, though the API server answers: kube-controller-manager \
             runs without node-lifecycle-controller and taint-eviction-controller, so that no node is marked and no pod \
             is evicted, until a node renews again; {hint}"
        ),
    ))
}
