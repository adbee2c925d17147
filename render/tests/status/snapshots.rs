//! What is said of attempts to save etcd.

use nagaya_render::snapshots::{JobState, SnapshotJob};

use super::*;

#[test]
fn a_snapshot_that_failed_is_said_until_one_succeeds() {
    let mut pass = valid();
    let kind = "SnapshotsReady";
    assert_eq!(says(&pass.status(), kind), "absent");
    pass.jobs.snapshots.push(SnapshotJob {
        name: "job".into(),
        reason: "scheduled".into(),
        since: pass.now,
        state: JobState::Failed { at: pass.now, why: "no space left".into() },
    });
    let status = pass.status();
    assert_eq!(says(&status, kind), "False SnapshotFailed");
    assert!(condition(&status, kind).unwrap().message.contains("no space left"));
    // Its Job goes before the next one begins.
    pass.raw.status = Some(status);
    pass.jobs.snapshots.clear();
    assert_eq!(says(&pass.status(), kind), "False SnapshotFailed");
}

#[test]
fn a_snapshot_that_does_not_begin_says_what_keeps_it() {
    let mut pass = valid();
    pass.jobs.snapshots.push(SnapshotJob {
        name: "job".into(),
        reason: "scheduled".into(),
        since: pass.now,
        state: JobState::Running(Some("no class fast".into())),
    });
    assert_eq!(says(&pass.status(), "SnapshotsReady"), "absent");
    pass.now += jiff::SignedDuration::from_mins(2);
    assert_eq!(says(&pass.status(), "SnapshotsReady"), "False SnapshotStuck");
}
