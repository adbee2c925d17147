//! Goldens of what is rendered for the management cluster, for each minor: any change of any object shows in
//! a diff that somebody reviews (`cargo insta review`).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeMap;

use nagaya_pki::BootstrapToken;
use nagaya_render::certificates::{
    Authorities, build_admin_kubeconfig, build_authority_secret, missing_authorities,
};
use nagaya_render::membership::EtcdShape;
use nagaya_render::minors::MINORS;
use nagaya_render::plane::{build_etcd_state, build_foundation, build_plane};
use nagaya_render::rights::build_project_role_binding;
use nagaya_render::settings::Settings;
use nagaya_render::signing_token::build_signing_token_secret;
use nagaya_render::upgrade::Versions;
use serde_json::json;

/// One file for each component and minor: `1.37-etcd.snap`.
fn snapshot(minor: u16, component: &str, objects: &[serde_json::Value]) {
    snapshot_as(&format!("1.{minor}-{component}"), objects);
}

fn snapshot_as(name: &str, objects: &[serde_json::Value]) {
    insta::with_settings!({
        snapshot_path => "snapshots/plane",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_yaml_snapshot!(name, objects);
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
        let plane =
            build_plane(&tenant, &Versions::done(&tenant), &EtcdShape::newborn(), &settings);
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

#[test]
fn what_is_the_same_for_every_minor_is_as_reviewed() {
    let mut tenant = fixture::newest_tenant();
    tenant.api_server_replicas = 2;
    let three = EtcdShape { members: vec![0, 1, 2], replicas: 3, joining: None, serving: 3 };
    let plane = build_plane(&tenant, &Versions::done(&tenant), &three, &Settings::default());
    snapshot_as("budgets", &[json!(plane.etcd_budget), json!(plane.api_server_budget)]);
    snapshot_as("project", &[json!(build_project_role_binding("acme"))]);
    let token: BootstrapToken = "abcdef.0123456789abcdef".parse().expect("a token");
    snapshot_as("signing-token", &[json!(build_signing_token_secret(&tenant, &token))]);
}

/// The rest of the control plane is the same for every way, but for the tunnel.
#[test]
fn a_tenant_behind_the_gateway_is_as_reviewed() {
    let tenant = fixture::tenant_behind_the_gateway();
    let foundation = build_foundation(&tenant, &EtcdShape::newborn());
    snapshot_as("gateway", &[json!(foundation.namespace), json!(foundation.api_server_public)]);
    let newborn = EtcdShape::newborn();
    let plane = build_plane(&tenant, &Versions::done(&tenant), &newborn, &Settings::default());
    let plane = plane.with_tunnel_certificate(Some("0123456789abcdef"));
    snapshot_as(
        "tunnel",
        &[
            json!(foundation.tunnel),
            json!(plane.api_server_authentication),
            json!(plane.api_server),
        ],
    );
}

#[test]
fn tenants_behind_load_balancers_are_as_reviewed() {
    let load_balancer = fixture::tenant_by_a_load_balancer();
    let external = fixture::tenant_behind_an_external_one();
    for (name, tenant) in [("load-balancer", load_balancer), ("external", external)] {
        let foundation = build_foundation(&tenant, &EtcdShape::newborn());
        snapshot_as(name, &[json!(foundation.namespace), json!(foundation.api_server_public)]);
    }
}

#[test]
fn a_tenant_that_moves_is_as_reviewed() {
    let tenant = fixture::tenant_that_moved_to_the_gateway();
    let foundation = build_foundation(&tenant, &EtcdShape::newborn());
    let services = [json!(foundation.api_server_other), json!(foundation.api_server_public)];
    snapshot_as("moved", &[&[json!(foundation.namespace)][..], &services].concat());
}

/// Without its value, which is another one each time.
#[test]
fn the_secret_of_the_admin_kubeconfig_is_as_reviewed() {
    let tenant = fixture::newest_tenant();
    let made = missing_authorities(&BTreeMap::new()).into_iter().map(|authority| {
        let secret = build_authority_secret(&tenant, authority, fixture::noon()).expect("made");
        (authority.secret_name().to_owned(), secret)
    });
    let authorities = Authorities::read(&made.collect()).expect("readable");
    let endpoint = tenant.endpoint().expect("a port");
    let secret = build_admin_kubeconfig(&tenant, &endpoint, &authorities, fixture::noon());
    let mut secret = json!(secret.expect("made"));
    secret["data"]["value"] = json!("a kubeconfig");
    snapshot_as("admin-kubeconfig", &[secret]);
}
