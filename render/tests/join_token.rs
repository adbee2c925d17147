//! What a `JoinToken` becomes: goldens of both Secrets, and what must hold whatever the golden says.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use nagaya_api::{CloudInit, JoinToken, JoinTokenSpec, secret_keys};
use nagaya_pki::BootstrapToken;
use nagaya_render::join_token::{
    JoinInputs, JoinTokenError, build_bootstrap_token_secret, build_join_secret,
};
use nagaya_render::settings::{ImageSource, Settings};
use nagaya_render::tenant::Tenant;
use serde_json::{Value, json};

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn token() -> BootstrapToken {
    BootstrapToken::from_parts("abcdef", "0123456789abcdef").unwrap()
}

fn join_token(install: bool) -> JoinToken {
    let mut token = JoinToken::new(
        "demo-vms",
        JoinTokenSpec {
            cluster_name: "demo".to_owned(),
            ttl: "24h".to_owned(),
            cloud_init: CloudInit { install },
        },
    );
    token.metadata.namespace = Some("acme".to_owned());
    token.metadata.uid = Some("5d1f7c1e-0d6b-4b0f-9c52-7a3f6f5f2c11".to_owned());
    token
}

fn join_secret(tenant: &Tenant, install: bool, settings: &Settings) -> Secret {
    let inputs = JoinInputs {
        join_token: &join_token(install),
        tenant,
        endpoint: &tenant.endpoint().unwrap(),
        token: &token(),
        ca_cert_hash: HASH,
    };
    build_join_secret(&inputs, settings).unwrap()
}

/// The Secret with its data as text.
fn golden(secret: &Secret) -> String {
    let mut object = json!(secret);
    let texts: BTreeMap<&String, String> = secret
        .data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key, String::from_utf8(bytes.0.clone()).unwrap()))
        .collect();
    object["data"] = json!(texts);
    serde_yaml_ng::to_string(&object).unwrap()
}

fn user_data(secret: &Secret) -> Value {
    let text = String::from_utf8(secret.data.as_ref().unwrap()[secret_keys::CLOUD_INIT].0.clone());
    let text = text.unwrap();
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    serde_yaml_ng::from_str(&text).unwrap()
}

#[test]
fn the_bootstrap_token_is_as_reviewed() {
    let secret = build_bootstrap_token_secret(&token(), fixture::noon(), "JoinToken acme/demo-vms");
    insta::assert_snapshot!("bootstrap-token", golden(&secret));
}

#[test]
fn the_join_secret_is_as_reviewed() {
    let tenant = fixture::newest_tenant();
    for (name, install) in [("join-secret", false), ("join-secret-install", true)] {
        let secret = join_secret(&tenant, install, &Settings::default());
        insta::assert_snapshot!(name, golden(&secret));
    }
}

#[test]
fn containerd_gets_the_cgroup_driver_that_the_kubelets_are_told() {
    let mut tenant = fixture::newest_tenant();
    for (patch, expected) in [
        (None, "SystemdCgroup = true"),
        (Some(json!({"maxPods": 9})), "SystemdCgroup = true"),
        (Some(json!({"cgroupDriver": "cgroupfs"})), "SystemdCgroup = false"),
    ] {
        tenant.kubelet_patch = patch;
        let data = user_data(&join_secret(&tenant, false, &Settings::default()));
        let content = data["write_files"][0]["content"].as_str().unwrap();
        assert!(content.contains(expected), "{content}");
    }
}

#[test]
fn the_command_and_the_user_data_join_the_same_way() {
    let tenant = fixture::newest_tenant();
    for install in [false, true] {
        let secret = join_secret(&tenant, install, &Settings::default());
        let command =
            String::from_utf8(secret.data.as_ref().unwrap()[secret_keys::COMMAND].0.clone());
        let command: Vec<Value> = command.unwrap().split(' ').map(Value::from).collect();
        let data = user_data(&secret);
        let last = data["runcmd"].as_array().unwrap().last().unwrap().as_array().unwrap();
        assert!(last.ends_with(&command), "{last:?}");
    }
}

#[test]
fn the_pause_image_comes_from_the_registry_that_addon_images_come_from() {
    let settings = Settings {
        addon_images: ImageSource {
            rewrite: [("registry.k8s.io".to_owned(), "mirror.example/k8s".to_owned())].into(),
            ..ImageSource::default()
        },
        ..Settings::default()
    };
    let data = user_data(&join_secret(&fixture::newest_tenant(), true, &settings));
    let script = data["write_files"][0]["content"].as_str().unwrap();
    assert!(script.contains("'mirror.example/k8s/pause:3.10.2'"), "{script}");
    assert!(!script.contains("{{"), "a placeholder was left: {script}");
}

#[test]
fn a_join_token_that_no_api_server_has_seen_gets_no_secret() {
    let tenant = fixture::newest_tenant();
    let mut unsaved = join_token(true);
    unsaved.metadata.uid = None;
    let inputs = JoinInputs {
        join_token: &unsaved,
        tenant: &tenant,
        endpoint: &tenant.endpoint().unwrap(),
        token: &token(),
        ca_cert_hash: HASH,
    };
    let error = build_join_secret(&inputs, &Settings::default()).unwrap_err();
    assert!(matches!(error, JoinTokenError::NotStored));
}
