//! What is made of the `JoinToken` and of the machine that showed it last.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use nagaya_api::{JoinAttempt, JoinOutcome, JoinToken, JoinTokenState, conditions as types};
use nagaya_doctor::{Finding, OperatorCheck};

use super::machines::{Ill, ill_by_token};
use super::{Place, Seen, failed, not_checked, passed, warning};

/// What is older does not tell why a machine cannot join now.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn token(of: &Place, seen: &Seen, now: Timestamp) -> Finding {
    let check = OperatorCheck::JoinToken;
    let namespace = &of.namespace;
    let token = match (&seen.token, &seen.wanted) {
        (Err(why), _) => return not_checked(check, format!("it cannot be read: {why}")),
        (Ok(Some(token)), _) => token,
        (Ok(None), Some(wanted)) => {
            let words = format!(
                "there is no JoinToken {namespace}/{wanted}: it was deleted, which revokes the token, or never made"
            );
            return failed(check, words, new_token(of));
        }
        (Ok(None), None) => {
            let words = format!("no JoinToken in {namespace} is for {}", of.name);
            return failed(check, words, new_token(of));
        }
    };
    let name = token.name_any();
    let describe = format!("kubectl describe jointoken {name} -n {namespace}");
    if token.spec.cluster_name != of.name {
        let words = format!("JoinToken {name} is for the cluster {}", token.spec.cluster_name);
        return failed(check, words, new_token(of));
    }
    if token.metadata.deletion_timestamp.is_some() {
        let words = format!("JoinToken {name} is being deleted, which revokes the token");
        return failed(check, words, new_token(of));
    }
    let status = token.status.clone().unwrap_or_default();
    let ends = status.expiration_time.as_ref().map(|time| time.0);
    if has_expired(token, now) {
        let when = ends.map_or_else(String::new, |end| format!(" at {end}"));
        return failed(check, format!("the token of {name} has expired{when}"), new_token(of));
    }
    if status.state != Some(JoinTokenState::Issued) {
        return failed(check, format!("{name} is not issued: {}", why(token)), describe);
    }
    match &seen.handed {
        Err(why) => not_checked(check, format!("its Secret {name}-join cannot be read: {why}")),
        Ok(None) => failed(check, format!("its Secret {name}-join is not there"), describe),
        Ok(Some(handed)) if handed.join().is_none() => {
            failed(check, format!("its Secret {name}-join holds no join command"), new_token(of))
        }
        Ok(Some(_)) => {
            let id = status.token_id.unwrap_or_default();
            let until = ends.map_or_else(String::new, |end| format!(", until {end}"));
            passed(check, format!("{name} is issued, {id}{until}"))
        }
    }
}

/// Whether nobody takes it any more.
pub(super) fn has_expired(token: &JoinToken, now: Timestamp) -> bool {
    token.status.as_ref().is_some_and(|status| {
        let ends = status.expiration_time.as_ref();
        status.state == Some(JoinTokenState::Expired) || ends.is_some_and(|end| end.0 <= now)
    })
}

fn why(token: &JoinToken) -> String {
    let conditions = token.status.iter().flat_map(|status| &status.conditions);
    let issued = conditions.into_iter().find(|one| one.type_ == types::ISSUED);
    issued.map_or_else(
        || "the manager has not looked at it yet".to_owned(),
        |one| format!("{}: {}", one.reason, one.message),
    )
}

fn new_token(of: &Place) -> String {
    let Place { namespace, name } = of;
    format!(
        "kubectl create -f - <<'END'\n\
         apiVersion: nagaya.dev/v1alpha1\n\
         kind: JoinToken\n\
         metadata: {{generateName: {name}-, namespace: {namespace}}}\n\
         spec: {{clusterName: {name}, ttl: 1h}}\n\
         END"
    )
}

pub(super) fn last_attempt(of: &Place, seen: &Seen, now: Timestamp) -> Finding {
    let check = OperatorCheck::LastAttempt;
    let Ok(Some(token)) = &seen.token else {
        return not_checked(check, "there is no token to look at");
    };
    let status = token.status.clone().unwrap_or_default();
    let Some(attempt) = status.last_attempt else {
        return passed(
            check,
            "no machine has shown the token to the API server: what fails before that is seen on the machine alone, by nagaya-doctor",
        );
    };
    let (node, time) = (&attempt.node, attempt.time.0);
    if attempt.outcome == JoinOutcome::Issued {
        return passed(check, format!("{node} got its certificate, at {time}"));
    }
    if let Ok(inside) = &seen.inside {
        let id = status.token_id.unwrap_or_default();
        let is_it = |ill: &Ill| {
            matches!(
                (attempt.outcome, ill),
                (JoinOutcome::Pending, Ill::Unapproved | Ill::Unsigned)
                    | (JoinOutcome::Denied, Ill::Denied(_))
                    | (JoinOutcome::Failed, Ill::Failed(_))
            )
        };
        if !ill_by_token(inside, &id, now).iter().any(is_it) {
            let words = format!("{node} asked for a certificate, at {time}: nothing is left of it");
            return passed(check, words);
        }
    }
    let (words, mend) = unanswered(of, &attempt);
    worst(&attempt, now)(check, words, mend)
}

/// What is said of an attempt that is not the last few minutes' is a warning.
pub(super) fn worst(
    attempt: &JoinAttempt,
    now: Timestamp,
) -> fn(OperatorCheck, String, String) -> Finding {
    if now.duration_since(attempt.time.0) < RECENT { failed } else { warning }
}

/// What came of an attempt that got no certificate, and what mends it.
fn unanswered(of: &Place, attempt: &JoinAttempt) -> (String, String) {
    let (node, time) = (&attempt.node, attempt.time.0);
    let message = attempt.message.as_deref().unwrap_or("no reason is given");
    let get = "kubectl get csr    # with the kubeconfig of the tenant";
    let explain = format!("nagaya explain {} -n {}", of.name, of.namespace);
    match attempt.outcome {
        JoinOutcome::Denied => (
            format!("{node} was denied a certificate, at {time}: {message}"),
            format!("{get}; kubectl delete csr, and join again: what has denied it?"),
        ),
        JoinOutcome::Failed => (
            format!("the certificate of {node} could not be signed, at {time}: {message}"),
            explain,
        ),
        JoinOutcome::Pending | JoinOutcome::Issued => (
            format!("{node} has waited for its certificate since {time}: {message}"),
            format!("{get}: who asks for what? kubectl certificate approve, or deny; or {explain}"),
        ),
    }
}
