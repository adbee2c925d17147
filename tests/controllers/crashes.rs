//! Whichever write goes wrong, and however: the end is the one that a run without faults has, with the keys
//! that were made first.

mod flows;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ending::{End, Expected};
use crate::foreign;
use crate::history;
use crate::memory_api::{Fault, Id};
use crate::snapshots_in_a_bucket;
use crate::stage::{Picture, Stage};
use flows::{BIRTH, Flow};

/// Long enough for a pass and for a step that was held back, and short: a tenant that does not answer is asked ten times
/// a second.
const A_PASS_MORE: Duration = Duration::from_millis(5500);
const PASSES_MORE: usize = 2;
const OFTEN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(10);

const FAULTS: [Fault; 4] = [
    Fault::Refused(500),
    Fault::Refused(409),
    Fault::AnswerLost(Duration::ZERO),
    // The manager is killed.
    Fault::Silence,
];
/// Stories have them too, for other flows.
const MORE_FAULTS: [Fault; 4] = [
    Fault::Refused(404),
    Fault::Refused(422),
    Fault::Refused(429),
    Fault::Lost(Duration::from_secs(12)),
];

#[tokio::test(start_paused = true)]
async fn a_refused_write_of_a_birth_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, &MANAGEMENT, None, &FAULTS[..1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_a_birth_that_somebody_else_was_faster_than_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, &MANAGEMENT, None, &FAULTS[1..2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_a_birth_whose_answer_is_lost_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, &MANAGEMENT, None, &FAULTS[2..3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_after_a_write_of_a_birth_changes_nothing_about_the_end() {
    every_write_suffers(&BIRTH, &MANAGEMENT, None, &FAULTS[3..]).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_write_of_a_birth_by_a_load_balancer_changes_its_end() {
    every_write_suffers(&flows::BIRTH_BY_A_LOAD_BALANCER, &MANAGEMENT, None, &FAULTS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_write_of_a_birth_behind_an_external_load_balancer_changes_its_end() {
    every_write_suffers(&flows::BIRTH_BEHIND_AN_EXTERNAL_ONE, &MANAGEMENT, None, &FAULTS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_write_of_a_birth_behind_the_gateway_changes_its_end() {
    every_write_suffers(&flows::BIRTH_BEHIND_THE_GATEWAY, &MANAGEMENT, None, &FAULTS).await;
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
async fn no_fault_of_any_write_changes_how_a_cluster_moves_between_gateway_and_load_balancer() {
    later(&flows::MOVE_BETWEEN_GATEWAY_AND_BALANCER).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_what_addons_come_to() {
    later(&flows::ADDONS).await;
    strike_later(&flows::ADDONS, &TENANT).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_the_end_of_a_restore() {
    later(&flows::RESTORE).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_changes_how_a_lost_cluster_comes_back() {
    let lost = snapshots_in_a_bucket::lost().await.0.picture();
    every_write_suffers(&flows::RECOVERY, &MANAGEMENT, Some(&lost), &FAULTS).await;
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

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_keeps_more_than_what_is_retained() {
    later(&flows::RETIREMENT).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_of_a_token_leaves_one_behind() {
    later(&flows::TOKEN).await;
    strike_later(&flows::TOKEN, &TENANT).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_into_a_newborn_tenant_changes_what_it_is_given() {
    let nothing = Stage::with_nodes().picture();
    every_write_suffers(&flows::WHOLE_BIRTH, &TENANT, Some(&nothing), &FAULTS).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_into_a_tenant_changes_how_it_is_exposed_another_way() {
    strike_later(&flows::MOVE, &TENANT).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_to_etcd_changes_how_it_grows_and_shrinks() {
    strike_later(&flows::SCALE, &ETCD).await;
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_any_write_of_what_stories_do_not_tell_of_changes_its_end() {
    let born = flows::born().await;
    every_write_suffers(&flows::TOKEN, &TENANT, Some(&born), &MORE_FAULTS).await;
    for flow in [&flows::TOKEN, &flows::RETIREMENT, &flows::RESTORE, &flows::MOVE] {
        every_write_suffers(flow, &MANAGEMENT, Some(&born), &MORE_FAULTS).await;
    }
}

/// In the life of a tenant that is Ready.
async fn later(flow: &Flow) {
    strike_later(flow, &MANAGEMENT).await;
}

async fn strike_later(flow: &Flow, side: &Side) {
    let born = flows::born().await;
    every_write_suffers(flow, side, Some(&born), &FAULTS).await;
}

/// Where faults happen.
struct Side {
    /// So many writes were asked for.
    count: fn(&Stage) -> usize,
    plan: fn(&Stage, usize, Fault),
    happened: fn(&Stage) -> bool,
    /// Fewer writes would mean that the flow did not happen.
    least: fn(&Flow) -> usize,
}

const MANAGEMENT: Side = Side {
    count: |stage| stage.planes.writes().len(),
    plan: |stage, number, fault| stage.planes.plan_fault(number, fault),
    happened: |stage| stage.planes.all_faults_happened(),
    least: |flow| flow.least_writes,
};

const TENANT: Side = Side {
    count: |stage| stage.inside.writes().len(),
    plan: |stage, number, fault| stage.inside.plan_fault(number, fault),
    happened: |stage| stage.inside.all_faults_happened(),
    least: |_| 2,
};

/// Its members, which no API server knows.
const ETCD: Side = Side {
    count: |stage| stage.etcds.taken().len(),
    plan: |stage, number, fault| stage.etcds.plan_fault(stage.etcds.taken().len() + number, fault),
    happened: |stage| stage.etcds.all_faults_happened(),
    least: |_| 6,
};

/// Runs as often as a run has writes; each time another one gets the fault.
async fn every_write_suffers(flow: &Flow, side: &Side, born: Option<&Picture>, faults: &[Fault]) {
    let clean = run(flow, side, born, None).await;
    assert!(clean.writes >= (side.least)(flow), "only {} writes", clean.writes);
    // What has a time in seconds in its name has another one then.
    std::thread::sleep(Duration::from_secs(1));
    let expected = Expected::of(clean.end, &run(flow, side, born, None).await.end);
    for number in 1..=clean.writes {
        for fault in faults {
            let what = format!("after {fault:?} of write {number}");
            let end = run(flow, side, born, Some((number, *fault))).await;
            assert_eq!(expected.differences(&end.end), [""; 0], "{what}");
            assert_eq!(end.remade, [], "{what}, Secrets were made twice");
        }
    }
}

struct Run {
    end: End,
    /// Secrets of the plane that were made more than once.
    remade: Vec<Id>,
    /// To the side where faults happen.
    writes: usize,
}

async fn run(
    flow: &Flow,
    side: &Side,
    born: Option<&Picture>,
    fault: Option<(usize, Fault)>,
) -> Run {
    let mut stage = born.map_or_else(Stage::new, Stage::out_of);
    if born.is_some() {
        stage.settled_for(A_PASS_MORE).await;
    }
    foreign::put(&stage);
    let foreign = foreign::all(&stage);
    let (keys, before) = (history::keys(&stage), (side.count)(&stage));
    if let Some((number, fault)) = fault {
        (side.plan)(&stage, number, fault);
    }
    let mut kill = fault.is_some_and(|(_, fault)| fault == Fault::Silence);
    for act in flow.acts {
        (act.does)(&mut stage);
        let begun = Instant::now();
        while !(act.done)(&stage) {
            kill = kill && !is_restarted_after_the_fault(side, &mut stage);
            assert!(begun.elapsed() < PATIENCE, "{fault:?}: never {}", act.comes_to);
            sleep(OFTEN).await;
        }
    }
    assert!(!kill || is_restarted_after_the_fault(side, &mut stage), "{fault:?} did not happen");
    assert!((side.happened)(&stage), "{fault:?} did not happen");
    let writes = (side.count)(&stage) - before;
    one_more_pass_writes_nothing(&stage, fault).await;
    history::check(&stage, keys);
    assert_eq!(foreign::all(&stage), foreign, "{fault:?}: what is somebody else's has changed");
    let mut made: Vec<Id> = stage.planes.made();
    let restores = made.iter().filter(|id| id.kind == "Job");
    let restores = restores.filter(|id| id.name.starts_with("etcd-restore-")).count();
    assert!(restores <= 1, "{fault:?}: etcd was filled {restores} times");
    made.retain(|id| id.kind == "Secret");
    let remade = made.iter().filter(|id| made.iter().filter(|one| one == id).count() > 1);
    Run { end: End::of(&stage), remade: remade.cloned().collect(), writes }
}

/// Whether the manager was killed, since its fault has happened.
fn is_restarted_after_the_fault(side: &Side, stage: &mut Stage) -> bool {
    let happened = (side.happened)(stage);
    if happened {
        stage.kill_manager();
        stage.start_manager();
    }
    happened
}

/// But for one that tells of a fault: a look that failed is told by the pass after it.
async fn one_more_pass_writes_nothing(stage: &Stage, fault: Option<(usize, Fault)>) {
    stage.settled_for(A_PASS_MORE).await;
    let mut written = Vec::new();
    for _ in 0..PASSES_MORE {
        if stage.tenant().is_none() {
            return;
        }
        let (writes, passes) = (stage.management_writes().len(), stage.passes());
        stage.touch();
        stage.settled_for(A_PASS_MORE).await;
        assert!(stage.passes() > passes, "{fault:?}: nothing was looked at");
        written = stage.management_writes().split_off(writes);
        if written.is_empty() {
            return;
        }
    }
    panic!("{fault:?}: every pass writes: {written:#?}");
}
