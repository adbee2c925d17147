//! Whichever write goes wrong, and however: the end is the one that a run without faults has, with the keys
//! that were made first.

use std::time::Duration;

use nagaya_api::conditions;

use crate::ending::{End, Expected};
use crate::memory_api::{Fault, Id};
use crate::stage::{PROJECT, Stage, spec};

/// Long enough for a pass, and short: a tenant that does not answer is asked ten times a second.
const A_PASS_MORE: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn a_refused_write_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Refused(500)).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_somebody_else_was_faster_than_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Refused(409)).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_changes_nothing_about_the_end() {
    every_write_suffers(Fault::AnswerLost(Duration::ZERO)).await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_after_a_write_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Silence).await;
}

/// Runs as often as a run has writes; each time another one gets the fault.
async fn every_write_suffers(fault: Fault) {
    let clean = run(Stage::new(), None).await;
    assert!(clean.writes > 30, "hardly anything was written");
    let expected = Expected::of(clean.end, &run(Stage::new(), None).await.end);
    for number in 1..=clean.writes {
        let end = run(Stage::new(), Some((number, fault))).await;
        let what = format!("after {fault:?} of write {number}");
        assert_eq!(expected.differences(&end.end), [""; 0], "{what}");
        assert_eq!(end.remade, [], "{what}, keys were made twice");
    }
}

struct Run {
    end: End,
    /// Secrets of the plane that were made more than once.
    remade: Vec<Id>,
    /// Until the plane first waited for nodes.
    writes: usize,
}

/// From nothing to a plane that waits for its nodes.
async fn run(mut stage: Stage, fault: Option<(usize, Fault)>) -> Run {
    if let Some((number, fault)) = fault {
        stage.planes.plan_fault(number, fault);
    }
    stage.create_tenant(&spec());
    if let Some((_, Fault::Silence)) = fault {
        stage.until("the fault", |stage| stage.planes.all_faults_happened()).await;
        stage.kill_manager();
        stage.start_manager();
    }
    stage
        .until("a plane that waits for nodes", |stage| {
            stage.condition(conditions::ENDPOINT_REACHABLE)["status"] == "False"
                && stage.projects.get("Secret", PROJECT, "demo-kubeconfig").is_some()
                && stage.condition(conditions::SCHEDULER_READY)["reason"] == "NotReady"
        })
        .await;
    let writes = stage.writes().len();
    stage.touch();
    stage.settled_for(A_PASS_MORE).await;
    assert!(stage.planes.all_faults_happened(), "{fault:?} never came");
    let mut made: Vec<Id> = stage.planes.made();
    made.retain(|id| id.kind == "Secret");
    let remade = made.iter().filter(|id| made.iter().filter(|one| one == id).count() > 1);
    Run { end: End::of(&stage), remade: remade.cloned().collect(), writes }
}
