//! What is said while there is a former endpoint: who may still use it, and what to do.

use nagaya_api::{FormerEndpoint, conditions as types, reasons};

use super::{Findings, State, Verdict};
use crate::moves::{Former, NodesLeft, command};
use crate::tenant::Endpoint;

/// The former endpoint and the present one.
fn both<'a>(findings: &Findings<'a>) -> Option<(&'a Former, Endpoint)> {
    let tenant = findings.tenant?;
    Some((tenant.exposure.moves.former.as_ref()?, tenant.endpoint()?))
}

/// What the last pass said, if it was of this move.
fn before<'a>(findings: &Findings<'a>, former: &Former) -> Option<&'a FormerEndpoint> {
    let before = findings.raw.status.as_ref()?.former_endpoint.as_ref()?;
    (before.endpoint == former.endpoint().authority()).then_some(before)
}

pub(super) fn former_endpoint(findings: &Findings<'_>) -> Option<FormerEndpoint> {
    let (former, present) = both(findings)?;
    let nodes = match findings.nodes_left {
        Some(left) => left.names.clone(),
        None => before(findings, former).map(|before| before.nodes.clone()).unwrap_or_default(),
    };
    Some(FormerEndpoint {
        endpoint: former.endpoint().authority(),
        nodes,
        command: command(&present),
    })
}

/// Whether every node is known to use the present endpoint; `None`: there is no other.
pub(super) fn nodes(findings: &Findings<'_>) -> Option<Verdict> {
    let (former, present) = both(findings)?;
    let (former_authority, present) = (former.endpoint().authority(), present.authority());
    let Some(left) = findings.nodes_left else {
        let said = before(findings, former).and_then(|_| findings.as_before(types::NODES_MOVED));
        return Some(said.unwrap_or_else(|| {
            Verdict::new(
                State::Unknown,
                reasons::NODES_NOT_SEEN,
                format!(
                    "the nodes were not listed since the endpoint is {present}; they may use {former_authority}, which \
                     is served until spec.expose.retiredEndpoint names it"
                ),
            )
        }));
    };
    let NodesLeft { count, names } = left;
    if *count == 0 {
        let words = format!(
            "every node has said that it uses {present}, or has joined since nodes are handed it; {former_authority} is served until spec.expose.retiredEndpoint names it"
        );
        return Some(Verdict::new(State::True, reasons::MOVED, words));
    }
    let more = count.saturating_sub(names.len());
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let words = format!(
        "not known to use {present}: {}{and_more}; they may use {former_authority}. Run there as root what \
         status.formerEndpoint.command says",
        names.join(", ")
    );
    Some(Verdict::new(State::False, reasons::NODES_LEFT, words))
}
