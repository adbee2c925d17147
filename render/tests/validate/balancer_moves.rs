//! A running cluster moves to a load balancer or away from one: what waits for an address, what is recorded, what comes back.

use std::collections::BTreeMap;

use nagaya_api::{ExposeType, labels};
use nagaya_render::load_balancer::{BalancerView, missing, service_of, with_given_address};
use nagaya_render::membership::EtcdShape;
use nagaya_render::moves::{Former, PublicService};
use nagaya_render::plane::build_foundation;
use nagaya_render::tenant::Way;
use nagaya_render::validate::Sought;

use super::gateway::{asked, born};
use super::*;

const GIVEN: &str = "198.51.100.20";

fn by_port() -> PlaneRecord {
    born(json!({"type": "NodePort", "extraNames": ["api.shop.example"]}), "192.0.2.1", 31_000)
}

fn balanced() -> Value {
    json!({"type": "LoadBalancer", "loadBalancer": {"class": "example.com/outer"}})
}

fn external(host: &str) -> Value {
    json!({"type": "External", "external": {"host": host, "addresses": ["198.51.100.30"]}})
}

fn resolve(expose: Value, plane: &PlaneRecord) -> Result<Tenant, Refusal> {
    check(&asked(expose), std::slice::from_ref(plane))
}

fn gives(address: &str) -> BalancerView {
    let addresses = vec![address.parse().unwrap()];
    let class = Some("example.com/outer".to_owned());
    BalancerView { service: true, class, addresses, ..BalancerView::default() }
}

/// What is recorded once a pass has come to its end; Kubernetes chooses node port 32000.
fn recorded(tenant: &Tenant, plane: &PlaneRecord) -> PlaneRecord {
    let exposure = tenant.exposure.clone();
    let is_given = matches!(exposure.way, Way::LoadBalancer(_));
    PlaneRecord {
        endpoint_host: exposure.host,
        endpoint_port: exposure.port.or(Some(32_000)),
        endpoint_address: exposure.addresses.first().copied().filter(|_| is_given),
        node_port: exposure.way.node_port(None).or(Some(32_000)),
        endpoint_service: exposure.moves.service,
        former_endpoint: exposure.moves.former.map(Ok),
        accepted_spec: Some(tenant.spec.clone()),
        ..plane.clone()
    }
}

fn balanced_record() -> PlaneRecord {
    let waits = resolve(balanced(), &by_port()).unwrap();
    recorded(&with_given_address(waits, &gives(GIVEN), true), &by_port())
}

fn former(tenant: &Tenant) -> Former {
    tenant.exposure.moves.former.clone().unwrap()
}

fn authority(tenant: &Tenant) -> String {
    tenant.exposure.endpoint().unwrap().authority()
}

#[test]
fn until_its_address_is_given_nothing_is_changed_but_for_the_service_that_waits() {
    let plane = by_port();
    let tenant = resolve(balanced(), &plane).unwrap();
    assert_eq!(authority(&tenant), "192.0.2.1:31000");
    assert_eq!(tenant.spec.expose, plane.accepted_spec.clone().unwrap().expose);
    assert_eq!(tenant.exposure.extra_names, ["api.shop.example"]);
    assert_eq!(tenant.exposure.moves.former, None);
    assert_eq!(service_of(&asked(balanced()).spec.expose, &plane), PublicService::Second);
    let awaited = tenant.awaited().unwrap();
    assert_eq!(awaited.exposure.moves.service, PublicService::Second);
    let words = missing(&tenant, &BalancerView::default()).unwrap();
    assert!(words.starts_with("the endpoint stays 192.0.2.1:31000 until"), "{words}");
    assert!(words.contains("kube-apiserver-public-2 is being made"), "{words}");
    let same = with_given_address(tenant.clone(), &BalancerView::default(), true);
    assert_eq!(same, tenant);
    let taken = BalancerView { taken_by: Some("other/one".to_owned()), ..gives(GIVEN) };
    assert_eq!(with_given_address(tenant.clone(), &taken, true), tenant);
    assert!(missing(&tenant, &taken).unwrap().contains("which is the endpoint of other/one"));
}

#[test]
fn with_its_address_the_new_endpoint_is_recorded_whole_and_the_former_one_beside_it() {
    let tenant = resolve(balanced(), &by_port()).unwrap();
    let moved = with_given_address(tenant, &gives(GIVEN), true);
    assert_eq!(authority(&moved), "198.51.100.20:6443");
    assert_eq!((moved.exposure.moves.unmade, missing(&moved, &gives(GIVEN))), (false, None));
    assert_eq!(moved.spec.expose.type_, ExposeType::LoadBalancer);
    let left = former(&moved);
    assert_eq!(
        (left.endpoint().authority(), left.service),
        ("192.0.2.1:31000".to_owned(), PublicService::First)
    );
    assert_eq!(left.extra_names, ["api.shop.example"]);
    let again = resolve(balanced(), &recorded(&moved, &by_port())).unwrap();
    let again = with_given_address(again, &gives("198.51.100.99"), true);
    assert_eq!(again.exposure.host, moved.exposure.host, "another address changes nothing now");
    assert_eq!(again.exposure.moves, moved.exposure.moves);
}

#[test]
fn the_change_can_be_taken_back_meanwhile() {
    let plane = by_port();
    let before = json!({"type": "NodePort", "extraNames": ["api.shop.example"]});
    let waits = resolve(balanced(), &plane).unwrap();
    let back = resolve(before, &recorded(&waits, &plane)).unwrap();
    assert_eq!(authority(&back), "192.0.2.1:31000");
    assert_eq!((back.exposure.moves.former, back.exposure.moves.awaited), (None, None));
}

#[test]
fn the_former_endpoint_of_a_load_balancer_keeps_its_address_and_is_the_way_back() {
    let ended = PlaneRecord { former_endpoint: None, ..balanced_record() };
    let moved = resolve(external("demo.lb.example"), &ended).unwrap();
    assert_eq!(
        (authority(&moved), moved.exposure.moves.unmade),
        ("demo.lb.example:6443".to_owned(), true)
    );
    let left = former(&moved);
    assert_eq!(left.endpoint().authority(), "198.51.100.20:6443");
    let Way::LoadBalancer(request) = &left.way else { panic!("{left:?}") };
    assert_eq!(
        request.address,
        GIVEN.parse().ok(),
        "it is asked for where the Service is made again"
    );
    let back = resolve(balanced(), &recorded(&moved, &ended)).unwrap();
    assert_eq!(authority(&back), "198.51.100.20:6443");
    assert_eq!((back.exposure.moves.unmade, back.exposure.moves.awaited.is_none()), (false, true));
    assert_eq!(former(&back).way, Way::External { node_port: Some(32_000) });
    let other_class =
        json!({"type": "LoadBalancer", "loadBalancer": {"class": "example.com/inner"}});
    let refusal = resolve(other_class, &recorded(&moved, &ended)).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.loadBalancer.class");
}

#[test]
fn an_outside_load_balancer_can_be_exchanged_for_another_one_and_back() {
    let one = external("one.lb.example");
    let plane =
        PlaneRecord { node_port: Some(31_500), ..born(one.clone(), "one.lb.example", 6443) };
    let moved = resolve(external("two.lb.example"), &plane).unwrap();
    assert_eq!(
        (authority(&moved), moved.exposure.moves.unmade),
        ("two.lb.example:6443".to_owned(), true)
    );
    assert_eq!(moved.exposure.way, Way::External { node_port: None }, "Kubernetes chooses");
    assert_eq!(former(&moved).way, Way::External { node_port: Some(31_500) });
    let both = recorded(&moved, &plane);
    let back = resolve(one, &both).unwrap();
    assert_eq!(back.exposure.way, Way::External { node_port: Some(31_500) });
    assert_eq!(former(&back).endpoint().authority(), "two.lb.example:6443");
    let refusal = resolve(external("three.lb.example"), &both).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.external.host");
    assert!(refusal.message.contains("one.lb.example:6443 first"), "{refusal}");
    let mut other_port = external("two.lb.example");
    other_port["external"]["port"] = json!(6444);
    assert_eq!(resolve(other_port, &both).unwrap_err().field, "spec.expose.external.port");
    let unmade = PlaneRecord { endpoint_port: None, ..both };
    let corrected = resolve(external("three.lb.example"), &unmade).unwrap();
    assert_eq!(authority(&corrected), "three.lb.example:6443");
    assert_eq!(former(&corrected).host, "one.lb.example");
}

/// An endpoint was recorded and its Service could not be made.
#[test]
fn back_to_one_that_is_served_there_is_one_endpoint_again() {
    let one = external("one.lb.example");
    let plane =
        PlaneRecord { node_port: Some(31_500), ..born(one.clone(), "one.lb.example", 6443) };
    let moved = resolve(external("two.lb.example"), &plane).unwrap();
    let namespace = build_foundation(&moved, &EtcdShape::newborn()).namespace;
    let noted = &namespace.metadata.annotations.as_ref().unwrap()[labels::ENDPOINT_PORT];
    assert_eq!(noted, "", "an apply without it would leave the port of before");
    let unmade = PlaneRecord { endpoint_port: None, node_port: None, ..recorded(&moved, &plane) };
    let back = resolve(one, &unmade).unwrap();
    assert_eq!(authority(&back), "one.lb.example:6443");
    assert_eq!(back.exposure.way, Way::External { node_port: Some(31_500) });
    let at_home = back.exposure.moves;
    assert_eq!(
        (at_home.service, at_home.former, at_home.unmade),
        (PublicService::First, None, false)
    );

    let moved = resolve(external("demo.lb.example"), &by_port()).unwrap();
    let unmade =
        PlaneRecord { endpoint_port: None, node_port: None, ..recorded(&moved, &by_port()) };
    let same = json!({"type": "External", "external": {"host": "192.0.2.1", "port": 31_000}});
    let refusal = resolve(same, &unmade).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.external.host");
    assert!(refusal.message.contains("192.0.2.1:31000 is served already"), "{refusal}");
}

#[test]
fn what_cannot_be_is_refused_by_its_field() {
    let by_name = json!({"type": "LoadBalancer", "hostname": "one.lb.example"});
    let outside = born(external("one.lb.example"), "one.lb.example", 6443);
    for (expose, plane, field) in [
        (json!({"type": "External"}), by_port(), "spec.expose.external"),
        (json!({"type": "LoadBalancer", "nodePort": {}}), by_port(), "spec.expose.nodePort"),
        (by_name, outside, "spec.expose.hostname"),
        (
            json!({"type": "External", "external": {"host": "192.0.2.1", "port": 31_000}}),
            by_port(),
            "spec.expose.external.host",
        ),
        (
            json!({"type": "NodePort", "nodePort": {"port": 31_000}}),
            born(
                json!({"type": "External", "external": {"host": "192.0.2.1", "port": 31_000}}),
                "192.0.2.1",
                31_000,
            ),
            "spec.expose.nodePort.port",
        ),
        (external("demo.lb.example"), balanced_record(), "spec.expose.type"),
        (json!({"type": "LoadBalancer"}), balanced_record(), "spec.expose.loadBalancer.class"),
        (
            json!({"type": "LoadBalancer", "retiredEndpoint": "192.0.2.1:31000"}),
            by_port(),
            "spec.expose.retiredEndpoint",
        ),
    ] {
        let refusal = resolve(expose.clone(), &plane).unwrap_err();
        assert_eq!(refusal.field, field, "{expose}: {refusal}");
    }
}

#[test]
fn an_address_that_would_make_both_endpoints_one_is_not_taken() {
    let outside = json!({"type": "External", "external": {"host": GIVEN}});
    let tenant = resolve(balanced(), &born(outside, GIVEN, 6443)).unwrap();
    let same = with_given_address(tenant.clone(), &gives(GIVEN), true);
    assert_eq!(same, tenant);
    assert!(missing(&tenant, &gives(GIVEN)).unwrap().contains("which is the endpoint already"));
}

/// The class was corrected, and what is seen is the Service of the class before.
#[test]
fn nothing_is_taken_of_a_load_balancer_of_another_class_or_one_that_goes() {
    let tenant = resolve(balanced(), &by_port()).unwrap();
    let of = |class: Option<&str>| BalancerView { class: class.map(str::to_owned), ..gives(GIVEN) };
    for view in [of(Some("example.com/inner")), of(None)] {
        assert_eq!(with_given_address(tenant.clone(), &view, true), tenant);
        let words = missing(&tenant, &view).unwrap();
        assert!(words.contains("is being made again for class example.com/outer"), "{words}");
    }
    let of_any = resolve(json!({"type": "LoadBalancer"}), &by_port()).unwrap();
    let filled_in = BalancerView { is_filled_in: true, ..gives(GIVEN) };
    let moved = with_given_address(of_any.clone(), &filled_in, true);
    assert_eq!(authority(&moved), "198.51.100.20:6443", "the default is what somebody fills in");
    let words = missing(&of_any, &gives(GIVEN)).unwrap();
    assert!(words.contains("is being made again for the default class"), "{words}");
    let ending = Some("service.kubernetes.io/load-balancer-cleanup".to_owned());
    let words = missing(&tenant, &BalancerView { ending, ..BalancerView::default() }).unwrap();
    assert!(words.contains("(service.kubernetes.io/load-balancer-cleanup)"), "{words}");
}

#[test]
fn what_a_running_cluster_is_told_to_do_costs_it_nothing() {
    let tenant = resolve(balanced(), &by_port()).unwrap();
    let words = missing(&tenant, &gives("10.244.0.9")).unwrap();
    assert!(words.contains("which is in 10.244.0.0/16 of spec.networking"), "{words}");
    assert!(words.ends_with("or set spec.expose back"), "{words}");
}

fn at(host: &str, port: u16) -> Sought {
    Sought::Endpoint { host: host.to_owned(), port }
}

#[test]
fn a_place_is_a_tenants_also_while_it_is_its_former_endpoint() {
    let moved = with_given_address(resolve(balanced(), &by_port()).unwrap(), &gives(GIVEN), true);
    let note = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let away = PlaneRecord { former_endpoint: None, ..balanced_record() };
    let away = resolve(external("demo.lb.example"), &away).unwrap();
    let record = BTreeMap::from([
        note(labels::ENDPOINT_HOST, "demo.lb.example"),
        note(labels::ENDPOINT_PORT, "6443"),
        note(labels::FORMER_ENDPOINT, &json!(former(&away)).to_string()),
    ]);
    let is_of = |host: &str, port| at(host, port).is_of(&record);
    assert!(is_of("demo.lb.example", 6443) && is_of(GIVEN, 6443));
    assert!(!is_of("demo.lb.example", 443) && !is_of(GIVEN, 443) && !is_of("198.51.100.30", 6443));
    let record =
        BTreeMap::from([note(labels::FORMER_ENDPOINT, &json!(former(&moved)).to_string())]);
    assert!(at("192.0.2.1", 31_000).is_of(&record));
    let unread = json!({"host": "192.0.2.1", "way": "of a newer manager"}).to_string();
    let record = BTreeMap::from([
        note(labels::ENDPOINT_HOST, "2001:DB8::1"),
        note(labels::ENDPOINT_PORT, "6443"),
        note(labels::FORMER_ENDPOINT, &unread),
    ]);
    let is_of = |host: &str| at(host, 6443).is_of(&record);
    assert!(is_of("2001:db8:0::1") && is_of("192.0.2.1") && !is_of("192.0.2.2"));
}
