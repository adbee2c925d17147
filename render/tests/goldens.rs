//! Goldens of what is rendered for the management cluster, for each minor: any change of any object shows in
//! a diff that somebody reviews (`cargo insta review`).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use nagaya_render::membership::EtcdShape;
use nagaya_render::minors::MINORS;
use nagaya_render::plane::{build_etcd_state, build_foundation, build_plane};
use nagaya_render::rollout::Rollout;
use nagaya_render::settings::Settings;
use serde_json::json;

/// One file for each component and minor: `1.37-etcd.snap`.
fn snapshot(minor: u16, component: &str, objects: &[serde_json::Value]) {
    insta::with_settings!({
        snapshot_path => "snapshots/plane",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_yaml_snapshot!(format!("1.{minor}-{component}"), objects);
    });
}

#[test]
fn every_object_is_as_reviewed() {
    let settings = Settings {
        manager_image: "ghcr.io/nagaya-dev/nagaya:v0".to_owned(),
        ..Settings::default()
    };
    for minor in MINORS {
        let tenant = fixture::tenant(minor);
        let foundation = build_foundation(&tenant, &EtcdShape::newborn());
        let plane = build_plane(&tenant, &Rollout::done(&tenant), &EtcdShape::newborn(), &settings);
        snapshot(
            minor.minor,
            "foundation",
            &[
                json!(foundation.namespace),
                json!(foundation.role_binding),
                json!(foundation.etcd),
                json!(foundation.etcd_client),
                json!(foundation.api_server),
                json!(foundation.api_server_public),
            ],
        );
        snapshot(
            minor.minor,
            "etcd",
            &[json!(build_etcd_state(&tenant, false, &EtcdShape::newborn())), json!(plane.etcd)],
        );
        snapshot(
            minor.minor,
            "kube-apiserver",
            &[json!(plane.api_server_authentication), json!(plane.api_server)],
        );
        snapshot(minor.minor, "kube-controller-manager", &[json!(plane.controller_manager)]);
        snapshot(minor.minor, "kube-scheduler", &[json!(plane.scheduler)]);
    }
}
