//! Which version runs, and where it may go from there.

use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::tenant::Tenant;
use nagaya_render::validate::{OldestKubelet, Refusal, Surroundings, validate};
use serde_json::json;

use super::{check, object, record, settings};

/// What a plane at `running`, whose last upgrade began at `from`, says to a version.
fn moved(running: &str, from: Option<&str>, wanted: &str) -> Result<Tenant, Refusal> {
    let plane = PlaneRecord {
        version: running.parse().ok(),
        upgrading_from: from.and_then(|from| from.parse().ok()),
        ..record()
    };
    check(&object(json!({"version": wanted})), &[plane])
}

#[test]
fn a_minor_is_resolved_to_the_newest_patch_once() {
    let mut raw = object(json!({"version": "1.35"}));
    assert_eq!(check(&raw, &[]).unwrap().version.to_string(), "v1.35.4");
    raw.status =
        serde_json::from_value(json!({"version": "v1.35.2", "resolvedFrom": "1.35"})).unwrap();
    assert_eq!(check(&raw, &[]).unwrap().version.to_string(), "v1.35.2");
    raw.status = None;
    let older = PlaneRecord { version: "v1.35.3".parse().ok(), ..record() };
    assert_eq!(check(&raw, &[older]).unwrap().version.to_string(), "v1.35.3");
}

#[test]
fn a_version_goes_up_by_patches_and_one_minor_at_a_time() {
    let from = |wanted| moved("v1.35.4", None, wanted).unwrap().upgrading_from;
    assert_eq!(from("v1.35.4"), None);
    assert_eq!(from("1.35"), None);
    for wanted in ["v1.35.5", "v1.36.0", "v1.36.3", "1.36"] {
        assert_eq!(from(wanted), "v1.35.4".parse().ok(), "{wanted}");
    }
    assert_eq!(moved("v1.35.4", None, "1.36").unwrap().version.to_string(), "v1.36.3");
    for (wanted, says) in [("1.37", "set it to 1.36 first"), ("v1.35.3", "cannot go back")] {
        let refusal = moved("v1.35.4", None, wanted).unwrap_err();
        assert_eq!(refusal.field, "spec.version");
        assert!(refusal.message.contains(says), "{refusal}");
    }
}

#[test]
fn a_patch_that_does_not_exist_can_be_corrected() {
    let back = |wanted| moved("v1.36.33", Some("v1.35.4"), wanted).map(|tenant| tenant.version);
    assert_eq!(back("v1.36.3").unwrap().to_string(), "v1.36.3");
    assert!(back("v1.35.4").is_err());
    let there = moved("v1.36.9", Some("v1.36.3"), "v1.36.3").unwrap();
    assert_eq!(there.upgrading_from, None, "it never left");
}

#[test]
fn the_next_minor_waits_until_the_upgrade_before_it_is_done() {
    let during = |wanted| moved("v1.36.3", Some("v1.35.4"), wanted);
    assert_eq!(during("v1.36.3").unwrap().upgrading_from, "v1.35.4".parse().ok());
    assert!(during("1.37").unwrap_err().message.contains("is under way"));
    assert!(during("v1.35.4").unwrap_err().message.contains("cannot go back"));
}

#[test]
fn a_kubelet_that_is_too_old_is_named() {
    let settings = settings();
    let raw = object(json!({"version": "1.37"}));
    let planes = [PlaneRecord { version: "v1.36.3".parse().ok(), ..record() }];
    let with = |oldest_kubelet: &OldestKubelet| {
        let around = Surroundings {
            settings: &settings,
            project_enabled: true,
            planes: &planes,
            oldest_kubelet,
        };
        validate(&raw, around).map_err(|refusal| refusal.to_string())
    };
    let kubelet = |version: &str| OldestKubelet::Known {
        node: "old-vm".to_owned(),
        version: version.parse().unwrap(),
    };
    with(&OldestKubelet::NoNode).unwrap();
    with(&kubelet("v1.34.0")).unwrap();
    assert!(with(&kubelet("v1.33.9")).unwrap_err().contains("kubelet of node old-vm is v1.33.9"));
    let unknown = OldestKubelet::Unknown("its API server does not answer".to_owned());
    assert!(with(&unknown).unwrap_err().contains("does not answer"));
}
