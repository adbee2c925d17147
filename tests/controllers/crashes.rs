//! Whichever write goes wrong, and however: the end is the one that a run without faults has, with the keys
//! that were made first.

mod flows;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ending::{End, Expected};
use crate::history;
use crate::memory_api::{Fault, Id};
use crate::stage::{Picture, Stage};
use flows::{BIRTH, Flow};

/// Long enough for a pass and for a step that was held back, and short: a tenant that does not answer is asked ten times
/// a second.
const A_PASS_MORE: Duration = Duration::from_millis(5500);
const OFTEN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(10);

const FAULTS: [Fault; 4] = [
    Fault::Refused(500),
    Fault::Refused(409),
    Fault::AnswerLost(Duration::ZERO),
    // The manager is killed.
    Fault::Silence,
];

#[tokio::test(start_paused = true)]
async fn a_refused_write_of_a_birth_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, None, &FAULTS[..1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_a_birth_that_somebody_else_was_faster_than_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, None, &FAULTS[1..2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_a_birth_whose_answer_is_lost_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, None, &FAULTS[2..3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_after_a_write_of_a_birth_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, None, &FAULTS[3..]).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_write_of_a_birth_by_a_load_balancer_changes_its_end() {
    every_write_suffers(&flows::BIRTH_BY_A_LOAD_BALANCER, None, &FAULTS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_write_of_a_birth_behind_an_external_load_balancer_changes_its_end() {
    every_write_suffers(&flows::BIRTH_BEHIND_AN_EXTERNAL_ONE, None, &FAULTS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_it_grows_and_shrinks() {
    later(&flows::SCALE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_the_end_of_an_upgrade() {
    later(&flows::UPGRADE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_what_a_pause_comes_to() {
    later(&flows::PAUSE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_what_a_refused_spec_leaves_behind() {
    later(&flows::REFUSAL).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_a_cluster_is_exposed_another_way() {
    later(&flows::MOVE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_a_cluster_moves_between_load_balancers() {
    later(&flows::MOVE_BY_BALANCERS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_the_end_of_a_restore() {
    later(&flows::RESTORE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_new_templates_arrive() {
    later(&flows::TEMPLATES).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_former_secrets_go() {
    later(&flows::FORMER_SECRETS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_leaves_anything_of_what_is_deleted() {
    later(&flows::DELETION).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_loses_what_is_retained() {
    later(&flows::RETENTION).await;
}

/// In the life of a tenant that is Ready.
async fn later(flow: &Flow) {
    let born = flows::born().await;
    every_write_suffers(flow, Some(&born), &FAULTS).await;
}

/// Runs as often as a run has writes; each time another one gets the fault.
async fn every_write_suffers(flow: &Flow, born: Option<&Picture>, faults: &[Fault]) {
    let clean = run(flow, born, None).await;
    assert!(clean.writes >= flow.least_writes, "only {} writes", clean.writes);
    // What has a time in seconds in its name has another one then.
    std::thread::sleep(Duration::from_secs(1));
    let expected = Expected::of(clean.end, &run(flow, born, None).await.end);
    for number in 1..=clean.writes {
        for fault in faults {
            let what = format!("after {fault:?} of write {number}");
            let end = run(flow, born, Some((number, *fault))).await;
            assert_eq!(expected.differences(&end.end), [""; 0], "{what}");
            assert_eq!(end.remade, [], "{what}, Secrets were made twice");
        }
    }
}

struct Run {
    end: End,
    /// Secrets of the plane that were made more than once.
    remade: Vec<Id>,
    /// To the management side.
    writes: usize,
}

async fn run(flow: &Flow, born: Option<&Picture>, fault: Option<(usize, Fault)>) -> Run {
    let mut stage = born.map_or_else(Stage::new, Stage::out_of);
    if born.is_some() {
        stage.settled_for(A_PASS_MORE).await;
    }
    let (keys, before) = (history::keys(&stage), stage.planes.writes().len());
    if let Some((number, fault)) = fault {
        stage.planes.plan_fault(number, fault);
    }
    let mut kills = fault.is_some_and(|(_, fault)| fault == Fault::Silence);
    for act in flow.acts {
        (act.does)(&mut stage);
        let begun = Instant::now();
        while !(act.done)(&stage) {
            if kills && stage.planes.all_faults_happened() {
                stage.kill_manager();
                stage.start_manager();
                kills = false;
            }
            assert!(begun.elapsed() < PATIENCE, "{fault:?}: never {}", act.comes_to);
            sleep(OFTEN).await;
        }
    }
    let writes = stage.planes.writes().len() - before;
    if stage.tenant().is_some() {
        stage.touch();
    }
    stage.settled_for(A_PASS_MORE).await;
    history::check(&stage, keys);
    let mut made: Vec<Id> = stage.planes.made();
    made.retain(|id| id.kind == "Secret");
    let remade = made.iter().filter(|id| made.iter().filter(|one| one == id).count() > 1);
    Run { end: End::of(&stage), remade: remade.cloned().collect(), writes }
}
