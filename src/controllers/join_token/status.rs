//! What a `JoinToken` says of itself.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use nagaya_api::{JoinToken, JoinTokenState, JoinTokenStatus, conditions, reasons};
use nagaya_render::join_token::join_secret_name;
use nagaya_render::status::{State, Verdict, merge};

use super::{Error, Phase};

pub(super) fn compute_status(
    token: &JoinToken,
    phase: &Phase,
    outcome: &Result<Option<String>, Error>,
    expires: Timestamp,
    now: Timestamp,
) -> JoinTokenStatus {
    let previous = token.status.clone().unwrap_or_default();
    let (state, verdict) = match outcome {
        Err(error) => {
            let failed = Verdict::new(State::False, error.reason(), error.to_string());
            (previous.state, Some(failed))
        }
        Ok(_) => say(phase, &token.spec.cluster_name, previous.state, expires),
    };
    let secret_name = match phase {
        Phase::Live(..) => Some(join_secret_name(&token.name_any())),
        Phase::Deleted | Phase::WaitingFor(_) => previous.secret_name,
        Phase::Expired | Phase::NoCluster => None,
    };
    let done = outcome.is_ok() && matches!(phase, Phase::Live(..) | Phase::Expired);
    let found = verdict.map(|verdict| {
        let waits = (!done).then(|| verdict.as_if(State::True));
        vec![(conditions::ISSUED, Some(verdict)), (conditions::RECONCILING, waits)]
    });
    JoinTokenStatus {
        observed_generation: token.metadata.generation,
        state,
        token_id: outcome.as_ref().ok().cloned().flatten().or(previous.token_id),
        expiration_time: Some(Time(expires)),
        secret_name,
        last_attempt: previous.last_attempt,
        conditions: merge(
            &previous.conditions,
            found.unwrap_or_default(),
            token.metadata.generation,
            now,
        ),
    }
}

/// `None`: what was said stays.
fn say(
    phase: &Phase,
    cluster: &str,
    previous: Option<JoinTokenState>,
    expires: Timestamp,
) -> (Option<JoinTokenState>, Option<Verdict>) {
    let not_issued = |reason, words: String| Some(Verdict::new(State::False, reason, words));
    match phase {
        Phase::Live(..) => (
            Some(JoinTokenState::Issued),
            Some(Verdict::new(State::True, reasons::ISSUED, "nodes can join with it")),
        ),
        Phase::Expired => (
            Some(JoinTokenState::Expired),
            not_issued(
                reasons::EXPIRED,
                format!("its life ended at {expires}; create another JoinToken"),
            ),
        ),
        // A manager that has just started has not looked at the cluster yet; the token is there.
        Phase::WaitingFor(_) if previous == Some(JoinTokenState::Issued) => (previous, None),
        Phase::WaitingFor(what) => {
            (Some(JoinTokenState::Pending), not_issued(reasons::WAITING, what.clone()))
        }
        Phase::NoCluster => (
            Some(JoinTokenState::Pending),
            not_issued(
                reasons::NO_CLUSTER,
                format!("spec.clusterName: there is no TenantCluster {cluster} in this namespace"),
            ),
        ),
        Phase::Deleted => (
            previous,
            not_issued(
                reasons::REVOKING,
                format!(
                    "waiting for the API server of TenantCluster {cluster}, to take the token away from it"
                ),
            ),
        ),
    }
}
