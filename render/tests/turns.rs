//! Whose pods may follow a new manager or new settings, and when.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failure is a panic")]

mod fixture;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{PlaneObjects, build_plane};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::settings::Settings;
use nagaya_render::tenant::Tenant;
use nagaya_render::turns::{
    Neighbour, TemplateState, Templates, Turn, begun, may_follow, revision, turn,
};
use nagaya_render::upgrade::Versions;
use nagaya_render::workloads::{Workload, Workloads};
use serde_json::{Value, json};

const NOW: &str = "now";

/// The plane of a tenant that runs what another manager rendered.
fn record(tenant: &Tenant) -> PlaneRecord {
    PlaneRecord {
        born: true,
        version: Some(tenant.version),
        accepted_spec: Some(tenant.spec.clone()),
        templates: Templates { revision: Some("before".to_owned()), ..Templates::default() },
        ..PlaneRecord::default()
    }
}

fn rendered(tenant: &Tenant) -> PlaneObjects {
    build_plane(tenant, &Versions::done(tenant), &EtcdShape::newborn(), &Settings::default())
}

fn live(template: Option<&str>) -> Workloads {
    let template_revision = template.map(str::to_owned);
    Workloads {
        scheduler: Some(Workload { template_revision, ..Workload::default() }),
        ..Workloads::default()
    }
}

fn decide(tenant: &Tenant, record: Option<&PlaneRecord>, template: Option<&str>) -> Turn {
    turn(tenant, record, &live(template), &rendered(tenant), NOW)
}

#[test]
fn only_what_the_manager_alone_has_changed_has_to_wait() {
    let tenant = fixture::newest_tenant();
    let record = record(&tenant);
    assert_eq!(decide(&tenant, Some(&record), Some("other")), Turn::Asks);
    let begins = Turn::Begins(begun(NOW));
    let mut scaled = tenant.clone();
    scaled.spec.control_plane.replicas = 2;
    assert_eq!(decide(&scaled, Some(&record), Some("other")), begins);
    let upgrading = Tenant { upgrading_from: Some(tenant.version), ..tenant };
    assert_eq!(decide(&upgrading, Some(&record), Some("other")), begins);
}

#[test]
fn what_is_new_or_equal_or_was_told_to_follow_is_free() {
    let tenant = fixture::newest_tenant();
    let free =
        |state| Turn::Free(Templates { revision: Some(NOW.to_owned()), rolled: None, state });
    assert_eq!(decide(&tenant, None, Some("other")), free(TemplateState::Written));
    let unborn = PlaneRecord { born: false, ..record(&tenant) };
    assert_eq!(decide(&tenant, Some(&unborn), Some("other")), free(TemplateState::Written));
    let scheduler = rendered(&tenant).scheduler.spec.unwrap().template;
    let same = nagaya_render::turns::template_revision(&scheduler);
    let equal = decide(&tenant, Some(&record(&tenant)), same.as_deref());
    assert_eq!(equal, free(TemplateState::Written));
    let told = PlaneRecord { templates: begun(NOW), ..record(&tenant) };
    assert_eq!(decide(&tenant, Some(&told), Some("other")), Turn::Free(begun(NOW)));
}

#[test]
fn another_build_and_other_settings_are_another_revision() {
    let settings = Settings::default();
    let other = Settings { domain: Some("example.com".to_owned()), ..Settings::default() };
    let all = [revision(&settings, "a"), revision(&settings, "b"), revision(&other, "a")];
    assert!(all[0] != all[1] && all[0] != all[2]);
    assert_eq!(all[0], revision(&Settings::default(), "a"));
}

/// A tenant with conditions: type, status, reason; all since noon.
fn tenant(name: &str, conditions: &[(&str, &str, &str)]) -> TenantCluster {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status, reason)| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": fixture::noon(),
            })
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "acme"},
        "spec": {"version": "1.37"},
        "status": {"conditions": conditions},
    }))
    .unwrap()
}

const READY: (&str, &str, &str) = ("Ready", "True", "Joinable");
const DOWN: (&str, &str, &str) = ("Ready", "False", "EndpointUnreachable");
const WAITS: (&str, &str, &str) = ("Reconciling", "True", "WaitingToRoll");
const MOVES: (&str, &str, &str) = ("Reconciling", "True", "Progressing");

/// One that has been told to follow.
fn follower(name: &str, conditions: &[(&str, &str, &str)]) -> Neighbour {
    let plane = BTreeMap::from([(labels::ROLLED.to_owned(), NOW.to_owned())]);
    Neighbour::of(&tenant(name, conditions), &plane, false, NOW).unwrap()
}

fn other(name: &str, conditions: &[(&str, &str, &str)]) -> Neighbour {
    Neighbour::of(&tenant(name, conditions), &BTreeMap::new(), false, NOW).unwrap()
}

fn asks(conditions: &[(&str, &str, &str)], neighbours: &[Neighbour]) -> Result<(), String> {
    may_follow(&tenant("me", conditions), neighbours, 2, fixture::noon())
}

#[test]
fn who_has_said_that_he_waits_follows_while_there_is_a_place() {
    let me = [READY, WAITS];
    assert!(asks(&[READY], &[]).is_err(), "it has to say so first");
    assert!(asks(&me, &[]).is_ok());
    assert!(asks(&me, &[follower("a", &[READY, MOVES])]).is_ok());
    let two = [follower("a", &[READY, MOVES]), follower("b", &[READY, WAITS])];
    assert!(asks(&me, &two).is_err());
    let arrived = [follower("a", &[READY]), follower("b", &[READY]), other("c", &[READY, MOVES])];
    assert!(asks(&me, &arrived).is_ok());
}

#[test]
fn nobody_follows_while_one_that_has_is_not_ready_and_after_a_while_it_is_named() {
    let me = tenant("me", &[READY, WAITS]);
    let fallen = [follower("a", &[DOWN]), other("b", &[DOWN])];
    let after = |time: SignedDuration| -> Timestamp { fixture::noon() + time };
    let soon = may_follow(&me, &fallen, 2, after(SignedDuration::from_secs(60))).unwrap_err();
    assert_eq!(soon, "waiting for its turn to roll");
    let later = may_follow(&me, &fallen, 2, after(SignedDuration::from_mins(3))).unwrap_err();
    assert!(later.contains("acme/a has rolled and is not Ready"), "{later}");
    assert!(may_follow(&me, &fallen[1..], 2, fixture::noon()).is_ok(), "b never followed");
}

#[test]
fn those_that_are_down_already_come_last_and_paused_ones_do_not_count() {
    let me = [DOWN, WAITS];
    assert!(asks(&me, &[other("a", &[READY, WAITS])]).is_err());
    assert!(asks(&me, &[other("a", &[DOWN, WAITS])]).is_ok());
    let mut paused = tenant("a", &[DOWN]);
    paused.spec.paused = true;
    assert_eq!(Neighbour::of(&paused, &BTreeMap::new(), true, NOW), None);
}
