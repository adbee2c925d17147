//! When a token's last attempt is told in its status: a tenant that asks without pause costs a write now and then.

use std::collections::HashSet;
use std::time::Duration;

use futures::{Stream, stream};
use jiff::Timestamp;
use kube::ResourceExt;
use nagaya_api::{JoinAttempt, JoinOutcome, JoinToken};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::tenant::ShownToken;

/// How long a machine waits for its certificate before that is worth telling, and from one attempt that is told to the next.
const PAUSE: Duration = Duration::from_secs(5);

/// How long news are gathered: each round wakes a token once.
const ROUND: Duration = Duration::from_secs(1);

/// Tokens by project, cluster and public half.
pub(super) struct Round(HashSet<[String; 3]>);

impl Round {
    fn put(&mut self, shown: ShownToken) {
        let ShownToken { tenant, token_id } = shown;
        self.0.insert([tenant.namespace, tenant.name, token_id]);
    }

    /// Whether this object's token was shown in it.
    pub(super) fn has(&self, token: &JoinToken) -> bool {
        let issued = token.status.as_ref().and_then(|status| status.token_id.clone());
        let key = issued.zip(token.namespace());
        key.is_some_and(|(id, project)| {
            self.0.contains(&[project, token.spec.cluster_name.clone(), id])
        })
    }
}

/// What machines have shown, a round at a time.
pub(super) fn in_rounds(
    shown: mpsc::UnboundedReceiver<ShownToken>,
) -> impl Stream<Item = Round> + Send + 'static {
    stream::unfold(shown, |mut shown| async {
        let mut round = Round(HashSet::new());
        round.put(shown.recv().await?);
        sleep(ROUND).await;
        while let Ok(next) = shown.try_recv() {
            round.put(next);
        }
        Some((round, shown))
    })
}

/// What the status says, and when there will be more to say.
pub(super) fn tell(
    told: Option<JoinAttempt>,
    seen: Option<JoinAttempt>,
    now: Timestamp,
) -> (Option<JoinAttempt>, Option<Duration>) {
    let news =
        |seen: &JoinAttempt| told.as_ref().is_none_or(|told| told != seen && !seen.is_before(told));
    let Some(seen) = seen.filter(news) else { return (told, None) };
    let unsettled = Some(&seen).filter(|seen| seen.outcome == JoinOutcome::Pending);
    let wait = [unsettled, told.as_ref()].into_iter().flatten().filter_map(|one| left(one, now));
    match wait.max() {
        None => (Some(seen), None),
        wait => (told, wait),
    }
}

/// Until it is so old that something is to be told after it. By a clock that is behind, it is.
fn left(attempt: &JoinAttempt, now: Timestamp) -> Option<Duration> {
    let age = Duration::try_from(now.duration_since(attempt.time.0)).ok()?;
    PAUSE.checked_sub(age).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::constant(1_000 + second, 0)
    }

    fn attempt(node: &str, second: i64, outcome: JoinOutcome) -> JoinAttempt {
        JoinAttempt { time: Time(at(second)), node: node.to_owned(), outcome, message: None }
    }

    #[test]
    fn a_certificate_is_told_at_once() {
        let issued = Some(attempt("a", 0, JoinOutcome::Issued));
        assert_eq!(tell(None, issued.clone(), at(1)), (issued.clone(), None));
        assert_eq!(tell(issued.clone(), issued.clone(), at(1)), (issued.clone(), None));
        assert_eq!(tell(issued.clone(), None, at(1)), (issued, None));
    }

    #[test]
    fn a_machine_that_waits_is_told_of_when_it_has_waited() {
        let pending = Some(attempt("a", 0, JoinOutcome::Pending));
        assert_eq!(tell(None, pending.clone(), at(2)), (None, Some(Duration::from_secs(3))));
        assert_eq!(tell(None, pending.clone(), at(5)), (pending.clone(), None));
        let issued = Some(attempt("a", 0, JoinOutcome::Issued));
        assert_eq!(tell(pending, issued.clone(), at(6)), (issued, None));
    }

    #[test]
    fn one_after_the_other_they_are_told_with_a_pause() {
        let told = Some(attempt("a", 0, JoinOutcome::Issued));
        let next = Some(attempt("b", 1, JoinOutcome::Denied));
        assert_eq!(
            tell(told.clone(), next.clone(), at(2)),
            (told.clone(), Some(Duration::from_secs(3)))
        );
        assert_eq!(tell(told, next.clone(), at(5)), (next, None));
    }

    #[test]
    fn what_was_told_stays_while_only_older_ones_are_seen() {
        let told = Some(attempt("b", 1, JoinOutcome::Issued));
        for older in [attempt("z", 0, JoinOutcome::Issued), attempt("a", 1, JoinOutcome::Denied)] {
            assert_eq!(tell(told.clone(), Some(older), at(9)), (told.clone(), None));
        }
    }

    #[test]
    fn a_clock_that_is_behind_keeps_nothing_back() {
        let pending = Some(attempt("a", 100, JoinOutcome::Pending));
        assert_eq!(tell(None, pending.clone(), at(0)), (pending, None));
    }
}
