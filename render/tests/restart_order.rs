//! In what order the parts of a running control plane get new pods.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failure is a panic")]

mod fixture;

use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{PlaneObjects, build_plane};
use nagaya_render::restart_order::{Held, held};
use nagaya_render::settings::Settings;
use nagaya_render::upgrade::Versions;
use nagaya_render::workloads::{Workload, Workloads};

/// Everything of before is ready, and something else is rendered for all four.
fn before() -> (Workloads, PlaneObjects) {
    let tenant = fixture::newest_tenant();
    let rendered =
        build_plane(&tenant, &Versions::done(&tenant), &EtcdShape::newborn(), &Settings::default());
    let old = || Workload {
        desired: 1,
        ready: 1,
        rolled_out: true,
        template_revision: Some("old".to_owned()),
        ..Workload::default()
    };
    let live = Workloads {
        etcd: Some(old()),
        api_server: Some(old()),
        controller_manager: Some(old()),
        scheduler: Some(old()),
    };
    (live, rendered)
}

/// Its new template is written, and so many of its replicas are ready.
fn follows(live: &mut Option<Workload>, rendered: Workload, (ready, desired): (i32, i32)) {
    *live = Some(Workload { desired, ready, rolled_out: true, ..rendered });
}

const ALL: Held = Held { api_server: true, controller_manager: true, scheduler: true };
const NOBODY: Held = Held { api_server: false, controller_manager: false, scheduler: false };

#[test]
fn each_part_follows_when_most_of_the_one_before_is_ready_with_its_new_pods() {
    let (mut live, rendered) = before();
    assert_eq!(held(&live, &rendered), ALL);
    follows(&mut live.etcd, (&rendered.etcd).into(), (0, 1));
    assert_eq!(held(&live, &rendered), ALL);
    follows(&mut live.etcd, (&rendered.etcd).into(), (1, 1));
    assert_eq!(held(&live, &rendered), Held { api_server: false, ..ALL });
    follows(&mut live.api_server, (&rendered.api_server).into(), (1, 1));
    live.api_server.as_mut().unwrap().rolled_out = false;
    assert_eq!(held(&live, &rendered), Held { api_server: false, ..ALL });
    live.api_server.as_mut().unwrap().rolled_out = true;
    assert_eq!(held(&live, &rendered), NOBODY);
}

#[test]
fn a_member_that_is_lost_holds_nobody_up_and_a_lost_quorum_does() {
    let (mut live, rendered) = before();
    follows(&mut live.etcd, (&rendered.etcd).into(), (2, 3));
    assert!(!held(&live, &rendered).api_server);
    follows(&mut live.etcd, (&rendered.etcd).into(), (1, 3));
    assert!(held(&live, &rendered).api_server);
}

#[test]
fn who_gets_no_other_pods_and_who_is_not_there_yet_waits_for_nobody() {
    let (mut live, rendered) = before();
    live.api_server = None;
    follows(&mut live.scheduler, (&rendered.scheduler).into(), (0, 1));
    let all_but_the_controller_manager = Held { controller_manager: true, ..NOBODY };
    assert_eq!(held(&live, &rendered), all_but_the_controller_manager);
}
