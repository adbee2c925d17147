//! What `spec.expose.type: External` leads to, and what it is refused with.

use nagaya_render::moves::Moves;
use nagaya_render::tenant::{Exposure, Way};

use super::*;

fn asked(external: Value) -> TenantCluster {
    let expose = json!({"type": "External", "external": external});
    object(json!({"version": "v1.35.4", "expose": expose}))
}

fn by_name() -> Value {
    json!({"host": "api.example", "port": 443, "addresses": ["198.51.100.30", "198.51.100.31"]})
}

#[test]
fn the_endpoint_is_the_load_balancers_and_the_port_behind_it_is_kubernetes_choice() {
    let found = check(&asked(by_name()), &[]).unwrap().exposure;
    let wanted = Exposure {
        host: Some("api.example".to_owned()),
        addresses: ["198.51.100.30", "198.51.100.31"].map(|ip| ip.parse().unwrap()).into(),
        port: Some(443),
        way: Way::External { node_port: None },
        extra_names: Vec::new(),
        moves: Moves::default(),
    };
    assert_eq!(found, wanted);
    let found = check(&asked(json!({"host": "198.51.100.30"})), &[]).unwrap();
    assert_eq!(found.endpoint().unwrap().authority(), "198.51.100.30:6443");
    assert_eq!(found.exposure.addresses[0].to_string(), "198.51.100.30");
}

#[test]
fn what_cannot_be_served_is_refused_by_its_field() {
    let of = |field: &str| format!("spec.expose.external.{field}");
    let addresses = ["198.51.100.30"];
    for (external, field) in [
        (json!({"host": "Not_ok", "addresses": addresses}), of("host")),
        (json!({"host": "0.0.0.0"}), of("host")),
        (json!({"host": "api.example", "port": 0, "addresses": addresses}), of("port")),
        (json!({"host": "api.example"}), of("addresses")),
        (json!({"host": "198.51.100.30", "addresses": addresses}), of("addresses")),
        (json!({"host": "api.example", "addresses": ["198.51.100.30", "x"]}), of("addresses[1]")),
    ] {
        let refusal = check(&asked(external.clone()), &[]).unwrap_err();
        assert_eq!(refusal.field, field, "{external}");
    }
    let nothing = object(json!({"version": "1.37", "expose": {"type": "External"}}));
    assert_eq!(check(&nothing, &[]).unwrap_err().field, "spec.expose.external");
    let mut two = asked(by_name());
    two.spec.expose.hostname = Some("other.example".to_owned());
    assert_eq!(check(&two, &[]).unwrap_err().field, "spec.expose.hostname");
}

#[test]
fn addresses_change_in_place_and_without_the_accepted_spec_nothing_moves() {
    let plane = PlaneRecord {
        endpoint_host: Some("api.example".to_owned()),
        endpoint_port: Some(443),
        node_port: Some(31_555),
        accepted_spec: Some(asked(by_name()).spec),
        ..record()
    };
    let planes = std::slice::from_ref(&plane);
    let change = |field: &str, value: Value| {
        let mut external = by_name();
        external[field] = value;
        asked(external)
    };
    for (field, value) in [("host", json!("other.example")), ("port", json!(6443))] {
        let lost = PlaneRecord { accepted_spec: None, ..plane.clone() };
        let refusal = check(&change(field, value), &[lost]).unwrap_err();
        assert_eq!(refusal.field, format!("spec.expose.external.{field}"));
    }
    let moved = check(&change("addresses", json!(["198.51.100.40"])), planes).unwrap();
    assert_eq!(moved.exposure.addresses[0].to_string(), "198.51.100.40");
    assert_eq!(moved.exposure.way, Way::External { node_port: Some(31_555) });
    let unborn = PlaneRecord { born: false, ..plane.clone() };
    let corrected = check(&change("port", json!(6443)), &[unborn]).unwrap();
    assert_eq!(corrected.exposure.port, Some(6443));
}

#[test]
fn addresses_of_a_running_cluster_are_not_within_its_networks() {
    let plane = PlaneRecord {
        endpoint_host: Some("api.example".to_owned()),
        endpoint_port: Some(443),
        accepted_spec: Some(asked(by_name()).spec),
        ..record()
    };
    let mut external = by_name();
    external["addresses"][1] = json!("10.96.0.9");
    let refusal = check(&asked(external), &[plane]).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.external.addresses[1]");
}
