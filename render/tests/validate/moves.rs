//! `spec.expose.type` of a running cluster is changed: what becomes of the endpoint and of the one before.

use nagaya_api::ExposeType;
use nagaya_render::moves::{Former, PublicService};
use nagaya_render::settings::GatewaySettings;
use nagaya_render::tenant::{Exposure, Way};

use super::gateway::{ADDRESS, HOST, asked, behind, born, gateway, host_and_port, names};
use super::*;

fn by_port() -> PlaneRecord {
    born(json!({"type": "NodePort", "extraNames": ["api.shop.example"]}), "192.0.2.1", 31_000)
}

fn by_gateway() -> PlaneRecord {
    born(json!({"type": "Gateway"}), HOST, 443)
}

fn resolve(expose: Value, plane: &PlaneRecord) -> Result<Exposure, Refusal> {
    behind(gateway(), &asked(expose), std::slice::from_ref(plane))
}

fn refused(expose: Value, plane: &PlaneRecord) -> Refusal {
    resolve(expose, plane).unwrap_err()
}

/// What is recorded once a pass over `expose` has come to its end, with the port that Kubernetes has chosen.
fn recorded(expose: Value, plane: &PlaneRecord, chosen: u16) -> PlaneRecord {
    let Exposure { host, port, moves, .. } = resolve(expose.clone(), plane).unwrap();
    PlaneRecord {
        endpoint_host: host,
        endpoint_port: Some(port.unwrap_or(chosen)),
        endpoint_service: moves.service,
        former_endpoint: moves.former.map(Ok),
        accepted_spec: Some(asked(expose).spec),
        ..plane.clone()
    }
}

fn moved_to_the_gateway() -> PlaneRecord {
    recorded(json!({"type": "Gateway"}), &by_port(), 0)
}

fn moved_to_a_port() -> PlaneRecord {
    recorded(json!({"type": "NodePort"}), &by_gateway(), 31_234)
}

fn former(exposure: Exposure) -> Former {
    exposure.moves.former.unwrap()
}

#[test]
fn a_cluster_that_moves_to_the_gateway_keeps_its_port_beside_the_new_name() {
    let found = resolve(json!({"type": "Gateway"}), &by_port()).unwrap();
    assert_eq!(host_and_port(&found), (HOST, Some(443)));
    assert_eq!(found.addresses[0].to_string(), ADDRESS);
    assert_eq!((found.moves.service, found.moves.unmade), (PublicService::Second, true));
    let former = former(found);
    assert_eq!((former.type_, former.way.clone()), (ExposeType::NodePort, Way::NodePort));
    assert_eq!(former.endpoint().authority(), "192.0.2.1:31000");
    assert_eq!((former.service, former.addresses.len()), (PublicService::First, 1));
    assert_eq!(former.extra_names, ["api.shop.example"]);
    assert_eq!(former.handed_out[0].endpoint, "192.0.2.1:31000");
}

#[test]
fn a_cluster_that_moves_to_a_port_keeps_its_name_at_the_gateway() {
    let found = resolve(json!({"type": "NodePort"}), &by_gateway()).unwrap();
    assert_eq!(host_and_port(&found), ("192.0.2.1", None), "Kubernetes chooses");
    assert!(found.moves.unmade);
    let former = former(found);
    assert_eq!(
        (former.endpoint().authority(), former.way),
        (format!("{HOST}:443"), names(&[HOST]))
    );
}

#[test]
fn a_cluster_can_leave_a_gateway_whose_settings_are_gone() {
    let asked = asked(json!({"type": "NodePort"}));
    let found = behind(GatewaySettings::default(), &asked, &[by_gateway()]).unwrap();
    assert_eq!(found.host.as_deref(), Some("192.0.2.1"));
    let former = former(found);
    assert_eq!((former.endpoint().authority(), former.addresses), (format!("{HOST}:443"), vec![]));
}

#[test]
fn both_stay_as_they_are_with_the_same_spec() {
    for (expose, plane) in [
        (json!({"type": "Gateway"}), moved_to_the_gateway()),
        (json!({"type": "NodePort"}), moved_to_a_port()),
    ] {
        let found = resolve(expose.clone(), &plane).unwrap();
        assert_eq!(found.host, plane.endpoint_host);
        assert_eq!(found.port, plane.endpoint_port);
        assert_eq!((found.moves.service, found.moves.unmade), (PublicService::Second, false));
        assert_eq!(found.moves.former.map(Ok), plane.former_endpoint, "{expose}");
    }
}

#[test]
fn the_way_back_leads_to_the_endpoint_that_was_kept() {
    let back = resolve(json!({"type": "NodePort"}), &moved_to_the_gateway()).unwrap();
    assert_eq!(host_and_port(&back), ("192.0.2.1", Some(31_000)));
    assert_eq!((back.moves.service, back.moves.unmade), (PublicService::First, false));
    let left = former(back);
    assert_eq!((left.host.as_str(), left.port, left.service), (HOST, 443, PublicService::Second));
    let back = resolve(json!({"type": "Gateway"}), &moved_to_a_port()).unwrap();
    assert_eq!(host_and_port(&back), (HOST, Some(443)));
    assert_eq!(former(back).endpoint().authority(), "192.0.2.1:31234");
    let other = json!({"type": "NodePort", "nodePort": {"port": 32_000}});
    assert_eq!(refused(other, &moved_to_the_gateway()).field, "spec.expose.nodePort.port");
}

#[test]
fn until_its_service_is_made_the_new_endpoint_can_be_corrected() {
    let port = |port| json!({"type": "NodePort", "nodePort": {"port": port}});
    let taken = recorded(port(31_999), &by_gateway(), 0);
    let taken = PlaneRecord { endpoint_port: None, ..taken };
    let found = resolve(port(31_998), &taken).unwrap();
    assert_eq!((found.port, found.moves.unmade), (Some(31_998), true));
    assert_eq!(former(found).host, HOST);
    let back = resolve(json!({"type": "Gateway"}), &taken).unwrap();
    assert_eq!(host_and_port(&back), (HOST, Some(443)));
    assert_eq!(back.moves.former, None, "nobody knows the one that never was");
    assert_eq!(back.moves.service, PublicService::First);
    let made = PlaneRecord { endpoint_port: Some(31_999), ..taken };
    assert_eq!(refused(port(31_998), &made).field, "spec.expose.nodePort.port");
}

#[test]
fn the_former_endpoint_ends_when_it_is_named() {
    let retire = |name: &str| json!({"type": "Gateway", "retiredEndpoint": name});
    let plane = moved_to_the_gateway();
    let found = resolve(retire("192.0.2.1:31000"), &plane).unwrap();
    assert_eq!((found.moves.former, found.moves.service), (None, PublicService::Second));
    for (name, words) in [
        ("192.0.2.1:31001", "the former endpoint is 192.0.2.1:31000"),
        (&format!("{HOST}:443"), "the former endpoint is 192.0.2.1:31000"),
    ] {
        let refusal = refused(retire(name), &plane);
        assert_eq!(refusal.field, "spec.expose.retiredEndpoint");
        assert!(refusal.message.contains(words), "{refusal}");
    }
    let ended = recorded(retire("192.0.2.1:31000"), &plane, 0);
    let again = resolve(retire("192.0.2.1:31000"), &ended).unwrap();
    assert_eq!((again.moves.former, again.port), (None, Some(443)), "named still, and ended");
    let refusal = refused(retire(&format!("{HOST}:443")), &ended);
    assert!(refusal.message.contains("is the endpoint of the cluster"), "{refusal}");
}

#[test]
fn nothing_ends_in_the_same_breath_in_which_the_endpoint_moves() {
    for retired in ["192.0.2.1:31000", "of.an.earlier.move:1"] {
        let expose = json!({"type": "Gateway", "retiredEndpoint": retired});
        assert_eq!(refused(expose, &by_port()).field, "spec.expose.retiredEndpoint");
    }
    let unmade = PlaneRecord { endpoint_port: None, ..moved_to_the_gateway() };
    let expose = json!({"type": "Gateway", "retiredEndpoint": "192.0.2.1:31000"});
    let refusal = refused(expose, &unmade);
    assert!(refusal.message.contains("there is no other endpoint yet"), "{refusal}");
}

#[test]
fn a_third_endpoint_has_to_wait_until_the_former_one_has_ended() {
    let mut plane = moved_to_the_gateway();
    // As if the former one were of a type that is neither of both.
    if let Some(Ok(former)) = &mut plane.former_endpoint {
        former.type_ = ExposeType::Gateway;
    }
    let refusal = refused(json!({"type": "NodePort"}), &plane);
    assert_eq!(refusal.field, "spec.expose.type");
    assert!(refusal.message.contains("192.0.2.1:31000"), "{refusal}");
}

#[test]
fn after_an_end_the_cluster_moves_on_and_takes_the_free_service() {
    let retired = json!({"type": "Gateway", "retiredEndpoint": "192.0.2.1:31000"});
    let ended = recorded(retired, &moved_to_the_gateway(), 0);
    let found = resolve(json!({"type": "NodePort"}), &ended).unwrap();
    assert_eq!((found.port, found.moves.service), (None, PublicService::First), "a new port");
    assert_eq!(former(found).service, PublicService::Second);
}

#[test]
fn what_cannot_be_read_of_the_former_endpoint_is_not_taken_for_its_end() {
    let plane = PlaneRecord { former_endpoint: Some(Err("what".to_owned())), ..by_port() };
    let refusal = refused(json!({"type": "NodePort"}), &plane);
    assert!(refusal.message.contains("cannot be read (what)"), "{refusal}");
}

#[test]
fn a_cluster_whose_pods_have_the_addresses_of_the_gateway_is_not_moved_there() {
    let networking = json!({"podCIDRs": ["198.51.100.0/24"]});
    let spec = |expose| json!({"version": "v1.35.4", "networking": networking, "expose": expose});
    let made = object(spec(json!({"type": "NodePort"}))).spec;
    let plane = PlaneRecord { accepted_spec: Some(made), ..by_port() };
    let raw = object(spec(json!({"type": "Gateway"})));
    let refusal = behind(gateway(), &raw, &[plane]).unwrap_err();
    assert_eq!(refusal.field, "spec.networking.podCIDRs[0]");
}
