//! Ready is True exactly when a stock `kubeadm join` would succeed: each thing that kubeadm reads is
//! broken in turn (`breaks.rs`), and the condition is compared with what kubeadm does in the same state.

mod breaks;
mod stage;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use breaks::{Break, Verdict};
use e2e::progress::say;
use e2e::ring::{Failure, JoinAttempt, Outcome, ensure, scenario, stays};
use serde_json::json;
use stage::Stage;

/// A break shows within this.
const NOTICED: Duration = Duration::from_secs(15);
/// How long a break that does not matter is watched: as long as one that does would take to show.
const WATCHED: Duration = Duration::from_secs(15);
/// Seconds, a fifth of kubeadm's own: after a kube-apiserver was replaced, kube-controller-manager may back
/// off before it sees requests again.
const PATIENCE: u16 = 60;
const REPAIRED: Duration = Duration::from_mins(2);
/// Tenants that are broken side by side: almost all of the time is waiting.
const LANES: usize = 3;

#[test]
fn ready_is_true_in_exactly_the_states_in_which_stock_kubeadm_joins() -> Outcome {
    scenario("truth", |project| {
        let breaks = Mutex::new(breaks::all());
        let lane = |number: usize| -> Outcome {
            let stage = Stage::set(project, number)?;
            while let Some(next) = take(&breaks) {
                try_break(&stage, &next).map_err(|failure| {
                    Failure::new(format!("{} of {}: {failure}", next.what, stage.tenant.name))
                })?;
                say(&format!("  ✓ {}: Ready and kubeadm agree", next.what));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let lanes: Vec<_> =
                (1..=LANES).map(|number| scope.spawn(move || lane(number))).collect();
            lanes.into_iter().try_for_each(|lane| match lane.join() {
                Ok(outcome) => outcome,
                Err(_) => Err(Failure::new("a lane panicked")),
            })
        })
    })
}

fn take(breaks: &Mutex<Vec<Break>>) -> Option<Break> {
    breaks.lock().ok()?.pop()
}

fn try_break(stage: &Stage, one: &Break) -> Outcome {
    stage.tenant.pause()?;
    (one.make)(stage)?;
    let compared = compare(stage, one.verdict);
    // Also when they differ: packets that stay dropped would spoil every later test.
    (one.undo)(stage)?;
    compared?;
    stage.reset_machine()?;
    stage.tenant.patch(&json!({"spec": {"paused": false}}))?;
    (one.hasten)(stage)?;
    stage.tenant.await_condition("Ready", "True", REPAIRED).map(drop)
}

/// Both at once, so that they are about the same state.
fn compare(stage: &Stage, verdict: Verdict) -> Outcome {
    let patience = match verdict {
        Verdict::JoinFails | Verdict::JoinFailsFor(_) => stage.attempt.patience,
        Verdict::Harmless => PATIENCE,
    };
    let attempt = JoinAttempt { patience, ..stage.attempt.clone() };
    let (seen, joined) = thread::scope(|scope| {
        let join = scope.spawn(|| stage.machine.try_join(&attempt));
        (watch(stage, verdict), join.join())
    });
    seen?;
    let joined = joined.map_err(|_| Failure::new("the join panicked"))??;
    match (verdict, joined) {
        (Verdict::JoinFails | Verdict::JoinFailsFor(_), Ok(())) => {
            Err(Failure::new("stock kubeadm joined all the same"))
        }
        // What the machine itself lacks says nothing about the cluster.
        (Verdict::JoinFails | Verdict::JoinFailsFor(_), Err(words))
            if words.contains("Some fatal errors occurred") =>
        {
            Err(Failure::new(format!("the machine cannot join anything: {words}")))
        }
        (Verdict::Harmless, Err(words)) => {
            Err(Failure::new(format!("stock kubeadm did not join: {words}")))
        }
        _ => Ok(()),
    }
}

fn watch(stage: &Stage, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::JoinFails => stage.await_not_ready(NOTICED),
        Verdict::JoinFailsFor(reason) => stage.await_reason(reason, NOTICED),
        Verdict::Harmless => stays("it stays Ready", WATCHED, || {
            let ready = stage.tenant.condition("Ready")?;
            ensure(ready.status == "True", || format!("{ready:?}"))
        }),
    }
}
