//! What is accepted, what is refused, and that a refusal names the field.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests: a failure is a panic")]
#![allow(clippy::needless_pass_by_value, reason = "reads better with json! at the call")]

mod addons;
mod balancer_moves;
mod external;
mod gateway;
mod load_balancer;
mod moves;
mod node_port;
mod ownership;
mod snapshots;
mod versions;

use nagaya_api::{TenantCluster, labels};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::settings::Settings;
use nagaya_render::tenant::Tenant;
use nagaya_render::validate::{OldestKubelet, Refusal, Surroundings, last_accepted, validate};
use serde_json::{Value, json};

fn object(spec: Value) -> TenantCluster {
    serde_json::from_value(json!({
        "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "uid-1"},
        "spec": spec,
    }))
    .unwrap()
}

fn settings() -> Settings {
    Settings { node_port_host: Some("192.0.2.1".to_owned()), ..Settings::default() }
}

fn check(raw: &TenantCluster, planes: &[PlaneRecord]) -> Result<Tenant, Refusal> {
    let settings = settings();
    validate(
        raw,
        Surroundings {
            settings: &settings,
            project_enabled: true,
            planes,
            oldest_kubelet: &OldestKubelet::NoNode,
        },
    )
}

fn refused_field(spec: Value) -> String {
    check(&object(spec), &[]).unwrap_err().field
}

fn record() -> PlaneRecord {
    PlaneRecord {
        namespace: "nagaya-shop-demo-x".to_owned(),
        owner_uid: Some("uid-1".to_owned()),
        endpoint_host: Some("192.0.2.1".to_owned()),
        endpoint_port: Some(31000),
        version: "v1.35.4".parse().ok(),
        born: true,
        ..PlaneRecord::default()
    }
}

#[test]
fn a_version_is_all_a_spec_needs() {
    let tenant = check(&object(json!({"version": "v1.37.1"})), &[]).unwrap();
    assert_eq!(tenant.version.to_string(), "v1.37.1");
    assert_eq!(tenant.exposure.host.as_deref(), Some("192.0.2.1"));
    assert_eq!(tenant.exposure.port, None);
    assert_eq!(tenant.dns_ip().unwrap().to_string(), "10.96.0.10");
    assert_eq!(tenant.kubernetes_service_ips()[0].to_string(), "10.96.0.1");
    assert!(tenant.kube_proxy.is_some() && tenant.core_dns.is_some());
}

#[test]
fn a_plane_keeps_the_manager_image_that_it_was_made_with() {
    let raw = object(json!({"version": "v1.35.4"}));
    let born = PlaneRecord { wait_image: Some("nagaya:v0".to_owned()), ..record() };
    let mut settings = Settings { manager_image: "docker.io/nagaya:v1".to_owned(), ..settings() };
    let mirror = ("docker.io".to_owned(), "mirror.example.com".to_owned());
    settings.control_plane_images.rewrite = [mirror].into();
    let image = |planes: &[PlaneRecord]| {
        let around = Surroundings {
            settings: &settings,
            project_enabled: true,
            planes,
            oldest_kubelet: &OldestKubelet::NoNode,
        };
        validate(&raw, around).unwrap().wait_image
    };
    assert_eq!(image(&[]), "mirror.example.com/nagaya:v1");
    assert_eq!(image(&[born]), "nagaya:v0");
    assert_eq!(image(&[record()]), "mirror.example.com/nagaya:v1");
}

#[test]
fn a_refused_spec_leaves_the_last_accepted_one_in_force() {
    let accepted = json!({"version": "v1.35.4", "kubelet": {"maxPods": 50}});
    let spec = serde_json::from_value(accepted).unwrap();
    let planes = [PlaneRecord { accepted_spec: Some(spec), ..record() }];
    let refused = object(json!({"version": "v1.35.4", "paused": true, "kubelet": {"maxPod": 5}}));
    let settings = settings();
    let around = Surroundings {
        settings: &settings,
        project_enabled: true,
        planes: &planes,
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    assert_eq!(validate(&refused, around).unwrap_err().field, "spec.kubelet.maxPod");
    let tenant = last_accepted(&refused, around).unwrap();
    assert_eq!(tenant.kubelet_patch, Some(json!({"maxPods": 50})));
    assert!(tenant.spec.paused, "pausing is no matter of what is in force");
    let not_enabled = Surroundings { project_enabled: false, ..around };
    assert_eq!(last_accepted(&refused, not_enabled), Some(tenant), "what runs goes on");
    assert_eq!(last_accepted(&refused, Surroundings { planes: &[record()], ..around }), None);
}

#[test]
fn a_plane_without_an_owners_uid_is_adopted_by_the_words_that_are_said() {
    let planes = [PlaneRecord { owner_uid: None, ..record() }];
    let mut raw = object(json!({"version": "v1.35.4"}));
    assert!(check(&raw, &planes).unwrap_err().message.contains("nagaya.dev/adopt=unknown"));
    raw.metadata.annotations = Some([(labels::ADOPT.to_owned(), "unknown".to_owned())].into());
    check(&raw, &planes).unwrap();
}

#[test]
fn what_was_accepted_once_stays_so_whatever_a_newer_manager_thinks_of_it() {
    let spec = json!({
        "version": "v1.35.4", "kubelet": {"unheardOf": 1},
        "etcd": {"storage": {"size": "100Mi"}}, "networking": {"podCIDRs": ["169.254.0.0/16"]},
    });
    let accepted_spec = serde_json::from_value(spec.clone()).ok();
    let plane = PlaneRecord { accepted_spec, ..record() };
    check(&object(spec.clone()), std::slice::from_ref(&plane)).unwrap();
    let mut paused = spec;
    paused["paused"] = json!(true);
    check(&object(paused.clone()), &[plane]).unwrap();
    paused["kubelet"]["maxPods"] = json!(5);
    assert_eq!(check(&object(paused), &[record()]).unwrap_err().field, "spec.kubelet.unheardOf");
}

#[test]
fn addresses_that_come_to_lie_in_a_network_do_not_stop_what_runs() {
    let raw = object(json!({"version": "1.35", "networking": {"podCIDRs": ["192.0.0.0/16"]}}));
    check(&raw, &[record()]).unwrap();
    let unborn = PlaneRecord { born: false, ..record() };
    assert_eq!(check(&raw, &[unborn]).unwrap_err().field, "spec.networking.podCIDRs[0]");
}

#[test]
fn a_bad_spec_is_refused_with_the_name_of_the_field() {
    for (spec, field) in [
        (json!({"version": "v1.20.0"}), "spec.version"),
        (json!({"version": "1.99"}), "spec.version"),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["10.0.0.0"]}}),
            "spec.networking.podCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["10.0.0.1/16"]}}),
            "spec.networking.podCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["192.0.0.0/16"]}}),
            "spec.networking.podCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "networking": {"serviceCIDRs": ["192.0.0.0/16"]}}),
            "spec.networking.serviceCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["127.0.0.0/16"]}}),
            "spec.networking.podCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "networking": {"serviceCIDRs": ["fd00::/112"]}}),
            "spec.networking.serviceCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "etcd": {"storage": {"size": "1Mi"}}}),
            "spec.etcd.storage.size",
        ),
        (
            json!({"version": "1.37", "etcd": {"storage": {"size": "99999999999Ti"}}}),
            "spec.etcd.storage.size",
        ),
        (
            json!({"version": "1.37", "etcd": {"storage": {"className": "Fast SSD"}}}),
            "spec.etcd.storage.className",
        ),
        (json!({"version": "1.37", "kubelet": {"healthzPort": 0}}), "spec.kubelet.healthzPort"),
        (
            json!({"version": "1.37", "kubelet": {"maxPods": 3_000_000_000_u32}}),
            "spec.kubelet.maxPods",
        ),
        (
            json!({"version": "1.37", "kubelet": {"enableServer": false}}),
            "spec.kubelet.enableServer",
        ),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["10.0.0.0/28"]}}),
            "spec.networking.podCIDRs[0]",
        ),
        (json!({"version": "1.37", "networking": {"podCIDRs": []}}), "spec.networking.podCIDRs"),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["10.0.0.0/16", "10.1.0.0/16"]}}),
            "spec.networking.podCIDRs",
        ),
        (
            json!({"version": "1.37", "networking": {"podCIDRs": ["10.96.0.0/16"]}}),
            "spec.networking.serviceCIDRs",
        ),
        (
            json!({"version": "1.37", "networking": {"serviceCIDRs": ["10.0.0.0/8"]}}),
            "spec.networking.serviceCIDRs[0]",
        ),
        (
            json!({"version": "1.37", "expose": {"extraNames": ["ok.example", "Not_ok"]}}),
            "spec.expose.extraNames[1]",
        ),
        (
            json!({"version": "1.37", "expose": {"nodePort": {"host": "a.example"}}}),
            "spec.expose.nodePort.host",
        ),
        (
            json!({"version": "1.37", "kubelet": {"clusterDNS": ["1.2.3.4"]}}),
            "spec.kubelet.clusterDNS",
        ),
        (json!({"version": "1.37", "kubelet": {"maxPodz": 5}}), "spec.kubelet.maxPodz"),
        (
            json!({"version": "1.37", "addons": {"kubeProxy": {"config": {"mode": 5}}}}),
            "spec.addons.kubeProxy.config.mode",
        ),
    ] {
        assert_eq!(refused_field(spec.clone()), field, "{spec}");
    }
}

#[test]
fn the_storage_class_of_the_configuration_is_asked_for_new_planes_only() {
    let settings = Settings { storage_class: Some("fast".to_owned()), ..settings() };
    let raw = object(json!({"version": "v1.35.4"}));
    let class = |planes: &[PlaneRecord]| {
        let around = Surroundings {
            settings: &settings,
            project_enabled: true,
            planes,
            oldest_kubelet: &OldestKubelet::NoNode,
        };
        validate(&raw, around).unwrap().etcd.storage_class
    };
    let accepted_spec = Some(raw.spec.clone());
    let before = PlaneRecord { accepted_spec: accepted_spec.clone(), ..record() };
    let slow = PlaneRecord { storage_class: Some("slow".to_owned()), ..before.clone() };
    assert_eq!(class(&[]).as_deref(), Some("fast"));
    assert_eq!(class(&[before]), None);
    assert_eq!(class(&[slow]).as_deref(), Some("slow"));
}
