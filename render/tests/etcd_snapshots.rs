//! When etcd is saved, what waits for it, and the way back, phase by phase.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failure is a panic")]

mod fixture;

use fixture::noon;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use nagaya_api::Snapshot;
use nagaya_render::plane::{build_restore_job, build_snapshot_job, build_snapshots_claim};
use nagaya_render::settings::Settings;
use nagaya_render::snapshots::{
    JobState, Phase, PlaneJobs, RestoreJob, SCHEDULED, SnapshotGate, SnapshotJob, SnapshotPlan,
    restore_phase, taken,
};
use nagaya_render::tenant::Tenant;
use nagaya_render::workloads::{Workload, Workloads};
use serde_json::json;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn snapshot(name: &str, reason: &str, time: Timestamp) -> Snapshot {
    Snapshot {
        name: name.to_owned(),
        time: Time(time),
        size_bytes: 4128,
        version: "v1.37.1".to_owned(),
        reason: reason.to_owned(),
        location: None,
    }
}

fn tenant(taken: Vec<Snapshot>) -> Tenant {
    let mut tenant = fixture::newest_tenant();
    tenant.snapshots.taken = taken;
    tenant
}

fn jobs(state: JobState) -> PlaneJobs {
    let job =
        SnapshotJob { name: "job".to_owned(), reason: SCHEDULED.to_owned(), since: noon(), state };
    PlaneJobs { snapshots: vec![job], ..PlaneJobs::default() }
}

fn failed(at: Timestamp) -> PlaneJobs {
    jobs(JobState::Failed { at, why: "no space left".to_owned() })
}

fn plan(tenant: &Tenant, jobs: &PlaneJobs, created: Timestamp) -> SnapshotPlan {
    let on_record = &tenant.snapshots.taken;
    SnapshotPlan::next(tenant, on_record, jobs, &[], (created, true), noon())
}

#[test]
fn the_first_snapshot_comes_after_half_to_a_whole_interval() {
    let mut moments = std::collections::BTreeSet::new();
    for number in 0..100 {
        let tenant = Tenant { uid: format!("uid-{number}"), ..tenant(Vec::new()) };
        let plan = plan(&tenant, &PlaneJobs::default(), noon());
        assert_eq!(plan.take, None);
        let after = plan.next.unwrap().duration_since(noon());
        assert!(after >= HOUR * 3 && after < HOUR * 6, "{after}");
        moments.insert(after);
    }
    assert!(moments.len() > 50, "tenants that were made together are not kept apart");
}

#[test]
fn the_next_one_is_due_an_interval_after_the_last() {
    let old = |hours: i32| tenant(vec![snapshot("a", SCHEDULED, noon() - HOUR * hours)]);
    let none = PlaneJobs::default();
    assert_eq!(plan(&old(6), &none, noon()).take.as_deref(), Some(SCHEDULED));
    let early = plan(&old(5), &none, noon());
    assert_eq!((early.take, early.next), (None, Some(noon() + HOUR)));
    let mut suspended = old(6);
    suspended.snapshots.suspended = true;
    assert_eq!(plan(&suspended, &none, noon()), SnapshotPlan::default());
}

#[test]
fn a_tenant_that_is_not_ready_is_not_saved_by_schedule() {
    let tenant = tenant(vec![snapshot("a", SCHEDULED, noon() - HOUR * 7)]);
    let begins = (noon() - HOUR * 9, false);
    let plan = SnapshotPlan::next(&tenant, &[], &PlaneJobs::default(), &[], begins, noon());
    assert_eq!(plan.take, None);
}

#[test]
fn one_at_a_time_and_after_a_failure_only_later() {
    let tenant = tenant(vec![snapshot("a", SCHEDULED, noon() - HOUR * 7)]);
    let minutes = SignedDuration::from_mins;
    let looks_again = SnapshotPlan { next: Some(noon() + minutes(1)), ..SnapshotPlan::default() };
    assert_eq!(plan(&tenant, &jobs(JobState::Running(None)), noon()), looks_again);
    let again = plan(&tenant, &failed(noon() - minutes(4)), noon());
    assert_eq!((again.take, again.next), (None, Some(noon() + minutes(6))));
    let again = plan(&tenant, &failed(noon() - minutes(10)), noon());
    assert_eq!(again.finished, ["job"]);
    assert_eq!(again.take.as_deref(), Some(SCHEDULED));
}

#[test]
fn a_job_goes_only_once_its_result_is_on_record() {
    let (old, new) =
        (snapshot("a", SCHEDULED, noon() - HOUR * 7), snapshot("b", SCHEDULED, noon()));
    let done = jobs(JobState::Succeeded(Some(vec![old.clone(), new.clone()])));
    assert_eq!(taken(std::slice::from_ref(&old), &done), [old.clone(), new.clone()]);
    let unrecorded = plan(&tenant(vec![old.clone()]), &done, noon());
    assert_eq!((unrecorded.finished.len(), unrecorded.take), (0, None));
    assert_eq!(plan(&tenant(vec![old, new]), &done, noon()).finished, ["job"]);
}

#[test]
fn an_operation_waits_for_a_snapshot_of_its_own() {
    let gate = |tenant: &Tenant, jobs: &PlaneJobs| {
        SnapshotGate::before("the upgrade to v1.37.1", tenant, jobs, noon())
    };
    let none = PlaneJobs::default();
    let reason = "before the upgrade to v1.37.1";
    let of_others = tenant(vec![snapshot("a", SCHEDULED, noon())]);
    assert_eq!(gate(&of_others, &none), SnapshotGate::Wanted(reason.to_owned()));
    assert!(gate(&of_others, &jobs(JobState::Running(None))).words().contains("is being taken"));
    assert!(gate(&of_others, &failed(noon())).words().contains("no space left"));
    let own = tenant(vec![snapshot("a", reason, noon() - HOUR / 2)]);
    assert_eq!(gate(&own, &none), SnapshotGate::Taken);
    let of_long_ago = tenant(vec![snapshot("a", reason, noon() - HOUR)]);
    assert!(!gate(&of_long_ago, &none).is_open());
    let mut suspended = of_others;
    suspended.snapshots.suspended = true;
    assert_eq!(gate(&suspended, &none), SnapshotGate::Skipped);
}

#[test]
fn one_snapshot_counts_for_all_members_that_were_to_leave_then() {
    let gate = |tenant: &Tenant, members: &[u64]| {
        SnapshotGate::before_removals(members, tenant, &PlaneJobs::default(), noon())
    };
    let reason = "before the removal of etcd members c, b";
    let SnapshotGate::Wanted(wanted) = gate(&tenant(Vec::new()), &[12, 11]) else { panic!() };
    assert_eq!(wanted, reason);
    let taken = tenant(vec![snapshot("a", reason, noon() - HOUR / 2)]);
    for (members, is_open) in [(&[12, 11][..], true), (&[11], true), (&[13, 12], false)] {
        assert_eq!(gate(&taken, members).is_open(), is_open, "{members:?}");
    }
    let of_long_ago = tenant(vec![snapshot("a", reason, noon() - HOUR)]);
    assert!(!gate(&of_long_ago, &[11]).is_open());
}

#[test]
fn whoever_waits_for_a_snapshot_is_told_how_to_go_on_without() {
    let stuck = JobState::Running(Some("no volume".to_owned()));
    for jobs in [PlaneJobs::default(), jobs(stuck), failed(noon())] {
        let gate = SnapshotGate::before("the restore of a", &tenant(Vec::new()), &jobs, noon());
        assert!(gate.words().contains("spec.snapshots.suspend: true"), "{gate:?}");
    }
}

fn etcd(desired: i32, ready: i32) -> Workloads {
    let etcd = Workload { desired, ready, rolled_out: true, ..Workload::default() };
    Workloads { etcd: Some(etcd), ..Workloads::default() }
}

fn restoring(taken: Vec<Snapshot>) -> Tenant {
    let mut tenant = tenant(taken);
    tenant.snapshots.restoring = Some("a".to_owned());
    tenant
}

fn restore_job(state: JobState) -> PlaneJobs {
    let job = RestoreJob { name: "restore".to_owned(), snapshot: "a".to_owned(), state };
    PlaneJobs { restore: Some(job), ..PlaneJobs::default() }
}

#[test]
fn a_restore_saves_then_stops_then_fills() {
    let none = PlaneJobs::default();
    let phase = |tenant: &Tenant, workloads: &Workloads, jobs: &PlaneJobs| {
        restore_phase(tenant, workloads, jobs, noon())
    };
    let unsaved = restoring(vec![snapshot("a", SCHEDULED, noon() - HOUR)]);
    assert!(matches!(phase(&unsaved, &etcd(1, 1), &none), Phase::Saving(SnapshotGate::Wanted(_))));
    let mut both = unsaved.snapshots.taken.clone();
    both.push(snapshot("b", "before the restore of a", noon()));
    let saved = restoring(both);
    assert_eq!(phase(&saved, &etcd(1, 1), &none), Phase::Stopping(Vec::new()));
    let ending = PlaneJobs { running: vec!["etcd-0".to_owned()], ..PlaneJobs::default() };
    assert_eq!(phase(&saved, &etcd(0, 0), &ending), Phase::Stopping(vec!["etcd-0".to_owned()]));
    let filling = |keep_old| Phase::Filling { problem: None, keep_old };
    assert_eq!(phase(&saved, &etcd(0, 0), &none), filling(false));
    let done = restore_job(JobState::Succeeded(None));
    assert_eq!(phase(&saved, &etcd(0, 0), &done), Phase::Filled("a".to_owned()));
}

#[test]
fn what_was_saved_before_a_restore_of_the_same_does_not_count_for_this_one() {
    let before = noon() - SignedDuration::from_mins(4);
    let tenant = restoring(vec![
        snapshot("a", SCHEDULED, noon() - HOUR),
        snapshot("b", "before the restore of a", before),
    ]);
    let none = PlaneJobs::default();
    let phase = restore_phase(&tenant, &etcd(1, 1), &none, noon());
    assert!(matches!(phase, Phase::Saving(SnapshotGate::Wanted(_))), "{phase:?}");
    let filling = Phase::Filling { problem: None, keep_old: true };
    assert_eq!(restore_phase(&tenant, &etcd(0, 0), &none, noon()), filling);
}

#[test]
fn an_etcd_that_does_not_answer_is_not_waited_for_and_its_files_are_kept() {
    let tenant = restoring(vec![snapshot("a", SCHEDULED, noon() - HOUR)]);
    let none = PlaneJobs::default();
    assert_eq!(restore_phase(&tenant, &etcd(1, 0), &none, noon()), Phase::Stopping(Vec::new()));
    let filling = Phase::Filling { problem: None, keep_old: true };
    assert_eq!(restore_phase(&tenant, &etcd(0, 0), &none, noon()), filling);
}

#[test]
fn a_full_volume_of_snapshots_is_named() {
    let failed = json!({
        "metadata": {"name": "etcd-snapshot-a"},
        "status": {"conditions": [{
            "type": "Failed", "status": "True", "lastTransitionTime": "2026-11-26T12:00:00Z",
            "message": "write a.db.part: no space left on device",
        }]},
    });
    let job = SnapshotJob::read(&serde_json::from_value(failed).unwrap(), &[], |_| None);
    let JobState::Failed { why, .. } = job.state else { panic!("{job:?}") };
    assert!(why.contains("lower spec.snapshots.keep"), "{why}");
}

#[test]
fn a_restore_that_failed_says_what_to_do() {
    let tenant = restoring(vec![snapshot("a", SCHEDULED, noon() - HOUR)]);
    let failed = restore_job(JobState::Failed { at: noon(), why: "it is damaged".to_owned() });
    let words = restore_phase(&tenant, &etcd(0, 0), &failed, noon()).words();
    assert!(words.contains("it is damaged; nothing was changed"), "{words}");
}

#[test]
fn a_restore_that_is_taken_back_ends_before_anything_starts() {
    let tenant = tenant(Vec::new());
    let stuck = restore_job(JobState::Running(Some("no volume".to_owned())));
    let phase = restore_phase(&tenant, &etcd(0, 0), &stuck, noon());
    assert_eq!(phase, Phase::Abandoning("restore".to_owned()));
    assert!(phase.stops_plane());
    let at_work = restore_job(JobState::Running(None));
    let phase = restore_phase(&tenant, &etcd(0, 0), &at_work, noon());
    assert_eq!(phase, Phase::Filling { problem: None, keep_old: false }, "it is let finish");
    let done = restore_job(JobState::Succeeded(None));
    let phase = restore_phase(&tenant, &etcd(0, 0), &done, noon());
    assert_eq!(phase, Phase::Filled("a".to_owned()), "it is what etcd holds");
    let pod = PlaneJobs { running: vec!["etcd-restore-1-x".to_owned()], ..PlaneJobs::default() };
    assert!(restore_phase(&tenant, &etcd(0, 0), &pod, noon()).stops_plane());
    assert_eq!(restore_phase(&tenant, &etcd(0, 0), &PlaneJobs::default(), noon()), Phase::None);
}

#[test]
fn a_restore_that_is_on_record_is_over() {
    let mut tenant = tenant(Vec::new());
    tenant.snapshots.restored = Some("a".to_owned());
    let done = restore_job(JobState::Succeeded(None));
    assert_eq!(restore_phase(&tenant, &etcd(0, 0), &done, noon()), Phase::None);
}

#[test]
fn the_jobs_are_as_reviewed() {
    let settings = Settings {
        manager_image: "ghcr.io/nagaya-dev/nagaya:v0".to_owned(),
        ..Settings::default()
    };
    let tenant = restoring(Vec::new());
    insta::with_settings!({
        snapshot_path => "snapshots/plane",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_yaml_snapshot!("snapshots", [
            json!(build_snapshots_claim(&tenant)),
            json!(build_snapshot_job(&tenant, &settings, SCHEDULED, noon())),
            json!(build_restore_job(&tenant, &settings, "20261122t060000z", true, noon())),
        ]);
    });
}
