//! What is accepted, what is refused, and that a refusal names the field.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests: a failure is a panic")]
#![allow(clippy::needless_pass_by_value, reason = "reads better with json! at the call")]

mod addons;
mod balancer_moves;
mod external;
mod gateway;
mod load_balancer;
mod moves;
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
fn a_domain_is_the_endpoint_from_birth_and_what_is_recorded_stays() {
    let raw = object(json!({"version": "1.37"}));
    let mut settings = settings();
    settings.domain = Some("k8s.example".to_owned());
    let around = |planes| Surroundings {
        settings: &settings,
        project_enabled: true,
        planes,
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    let born = validate(&raw, around(&[])).unwrap();
    assert_eq!(born.exposure.host.as_deref(), Some("demo.shop.k8s.example"));
    assert_eq!(born.exposure.addresses[0].to_string(), "192.0.2.1");
    let planes = [PlaneRecord { version: None, ..record() }];
    let kept = validate(&raw, around(&planes)).unwrap();
    assert_eq!(kept.exposure.host.as_deref(), Some("192.0.2.1"));
}

#[test]
fn an_endpoint_that_kubelets_know_cannot_be_changed() {
    let planes = [PlaneRecord { version: None, ..record() }];
    let moved = object(json!({"version": "1.37", "expose": {"nodePort": {"host": "192.0.2.9"}}}));
    assert_eq!(check(&moved, &planes).unwrap_err().field, "spec.expose.nodePort.host");
    let moved = object(json!({"version": "1.37", "expose": {"nodePort": {"port": 31001}}}));
    assert_eq!(check(&moved, &planes).unwrap_err().field, "spec.expose.nodePort.port");
    let same = object(json!({"version": "1.37"}));
    assert_eq!(check(&same, &planes).unwrap().exposure.port, Some(31000));
}

#[test]
fn a_value_that_never_worked_can_be_corrected() {
    let planes = [PlaneRecord { born: false, endpoint_port: Some(80), ..record() }];
    let expose = json!({"nodePort": {"host": "192.0.2.9", "port": 31001}});
    let tenant = check(&object(json!({"version": "v1.37.1", "expose": expose})), &planes).unwrap();
    assert_eq!(tenant.exposure.host.as_deref(), Some("192.0.2.9"));
    assert_eq!(tenant.exposure.port, Some(31001));
    assert_eq!(tenant.version.to_string(), "v1.37.1");
}

#[test]
fn the_addresses_behind_an_endpoint_follow_the_endpoint_and_not_the_configuration() {
    let settings = Settings { node_port_host: Some("192.0.2.2".to_owned()), ..settings() };
    let planes = [record()];
    let around = Surroundings {
        settings: &settings,
        project_enabled: true,
        planes: &planes,
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    let tenant = validate(&object(json!({"version": "1.35"})), around).unwrap();
    assert_eq!(tenant.exposure.host.as_deref(), Some("192.0.2.1"));
    assert_eq!(tenant.exposure.addresses[0].to_string(), "192.0.2.1");
}

#[test]
fn a_host_that_nodes_cannot_reach_is_refused() {
    for host in ["0.0.0.0", "*.example.com", "999.1.1.1", "Upper.example.com"] {
        let expose = json!({"hostname": host});
        assert_eq!(
            refused_field(json!({"version": "1.37", "expose": expose})),
            "spec.expose.hostname"
        );
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

#[test]
fn a_plane_that_is_adopted_keeps_its_networks_and_its_storage() {
    let made = object(json!({"version": "v1.35.4"})).spec;
    let retained = PlaneRecord { retained: true, accepted_spec: Some(made), ..record() };
    let other = |field: &str, value: Value| {
        let raw = object(json!({"version": "v1.35.4", field: value}));
        check(&raw, std::slice::from_ref(&retained)).unwrap_err().field
    };
    let networking = json!({"podCIDRs": ["10.1.0.0/16"]});
    assert_eq!(other("networking", networking), "spec.networking");
    assert_eq!(other("etcd", json!({"storage": {"size": "9Gi"}})), "spec.etcd.storage");
}

#[test]
fn a_plane_of_another_object_is_adopted_only_with_consent() {
    let mut raw = object(json!({"version": "1.35"}));
    let foreign = PlaneRecord { owner_uid: Some("uid-0".to_owned()), ..record() };
    assert_eq!(check(&raw, std::slice::from_ref(&foreign)).unwrap_err().field, "metadata.name");
    let retained = PlaneRecord { retained: true, ..foreign.clone() };
    assert_eq!(check(&raw, &[retained]).unwrap().plane_namespace, "nagaya-shop-demo-x");
    raw.metadata.annotations = Some([(labels::ADOPT.to_owned(), "uid-0".to_owned())].into());
    assert_eq!(check(&raw, &[foreign]).unwrap().exposure.port, Some(31000));
}

#[test]
fn a_plane_that_vanished_is_never_replaced_by_an_empty_twin() {
    let mut raw = object(json!({"version": "1.35"}));
    raw.status = serde_json::from_value(json!({"controlPlaneNamespace": "gone"})).unwrap();
    let refusal = check(&raw, &[]).unwrap_err();
    assert!(refusal.message.contains("restore it from a backup"), "{refusal}");
}

#[test]
fn a_project_that_the_operator_has_not_enabled_is_told_how() {
    let settings = settings();
    let around = Surroundings {
        settings: &settings,
        project_enabled: false,
        planes: &[],
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    let refusal = validate(&object(json!({"version": "1.37"})), around).unwrap_err();
    assert!(refusal.message.contains("kubectl label namespace shop nagaya.dev/project=enabled"));
}
