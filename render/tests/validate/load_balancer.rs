//! What `spec.expose.type: LoadBalancer` leads to, before and after an address is given, and what it is refused with.

use nagaya_render::load_balancer::{BalancerView, missing, with_given_address};
use nagaya_render::tenant::{BalancerRequest, IpFamily, Way};

use super::*;

const GIVEN: &str = "198.51.100.20";

fn asked(members: Value) -> TenantCluster {
    let expose = json!({"type": "LoadBalancer", "loadBalancer": members});
    object(json!({"version": "v1.35.4", "expose": expose}))
}

fn plain() -> TenantCluster {
    object(json!({"version": "v1.35.4", "expose": {"type": "LoadBalancer"}}))
}

/// Of a cluster that was healthy, with what was accepted.
fn born(raw: &TenantCluster, host: &str) -> PlaneRecord {
    PlaneRecord {
        endpoint_host: Some(host.to_owned()),
        endpoint_port: Some(6443),
        endpoint_address: GIVEN.parse().ok(),
        accepted_spec: Some(raw.spec.clone()),
        ..record()
    }
}

fn gives(address: &str) -> BalancerView {
    BalancerView { service: true, addresses: vec![address.parse().unwrap()], ..view() }
}

fn view() -> BalancerView {
    BalancerView { service: true, ..BalancerView::default() }
}

fn request(tenant: &Tenant) -> BalancerRequest {
    match &tenant.exposure.way {
        Way::LoadBalancer(request) => request.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn until_it_is_given_there_is_no_endpoint_and_then_it_is_the_address() {
    let tenant = check(&plain(), &[]).unwrap();
    assert_eq!(tenant.endpoint(), None);
    assert_eq!(tenant.exposure.port, Some(6443));
    assert_eq!(request(&tenant), BalancerRequest::default());
    let tenant = with_given_address(tenant, &gives(GIVEN), false);
    assert_eq!(tenant.endpoint().unwrap().authority(), "198.51.100.20:6443");
    assert_eq!(tenant.exposure.addresses, [GIVEN.parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(missing(&tenant, &gives(GIVEN)), None);
}

#[test]
fn a_hostname_is_the_endpoint_and_the_address_is_awaited_all_the_same() {
    let expose =
        json!({"type": "LoadBalancer", "hostname": "api.example", "loadBalancer": {"port": 443}});
    let raw = object(json!({"version": "v1.35.4", "expose": expose}));
    let tenant = check(&raw, &[]).unwrap();
    assert_eq!(tenant.endpoint().unwrap().authority(), "api.example:443");
    assert!(missing(&tenant, &view()).is_some());
    let tenant = with_given_address(tenant, &gives(GIVEN), false);
    assert_eq!(tenant.endpoint().unwrap().authority(), "api.example:443");
    assert_eq!(missing(&tenant, &gives(GIVEN)), None);
}

#[test]
fn its_service_has_the_family_of_the_address_that_is_asked_for() {
    let family = |address: &str| {
        let tenant = check(&asked(json!({ "address": address })), &[]).unwrap();
        request(&tenant).family
    };
    assert_eq!(family(GIVEN), Some(IpFamily::V4));
    assert_eq!(family("2001:db8::20"), Some(IpFamily::V6));
    assert_eq!(request(&check(&plain(), &[]).unwrap()).family, None);
}

#[test]
fn what_is_asked_of_the_load_balancer_is_what_the_spec_says() {
    let raw = asked(json!({
        "class": "example.com/outer", "address": GIVEN, "port": 443,
        "annotations": {"example.com/pool": "a"}, "sourceRanges": ["203.0.113.0/24", "2001:db8::/32"],
    }));
    let wanted = BalancerRequest {
        class: Some("example.com/outer".to_owned()),
        address: GIVEN.parse().ok(),
        family: Some(IpFamily::V4),
        annotations: [("example.com/pool".to_owned(), "a".to_owned())].into(),
        source_ranges: ["203.0.113.0/24", "2001:db8::/32"].map(str::to_owned).into(),
    };
    let tenant = check(&raw, &[]).unwrap();
    assert_eq!(request(&tenant), wanted);
    assert_eq!(tenant.endpoint(), None, "what is asked for is not given yet");
}

#[test]
fn what_cannot_be_served_is_refused_by_its_field() {
    let of = |field: &str| format!("spec.expose.loadBalancer.{field}");
    for (members, field, words) in [
        (json!({"class": "not a class"}), of("class"), "example.com/name"),
        (json!({"class": "-a"}), of("class"), ""),
        (json!({"class": "*.example.com/a"}), of("class"), ""),
        (json!({"address": "one.example"}), of("address"), "no IP address"),
        (json!({"address": "0.0.0.0"}), of("address"), "no IP address"),
        (json!({"port": 0}), of("port"), "0 is not a port"),
        (json!({"port": 70000}), of("port"), "70000 is not a port"),
        (json!({"annotations": {"a b": ""}}), of("annotations"), "\"a b\""),
        (json!({"annotations": {"nagaya.dev/gateway": "true"}}), of("annotations"), "Nagaya's own"),
        (json!({"annotations": {"x.nagaya.dev/a": ""}}), of("annotations"), "Nagaya's own"),
        (
            json!({"sourceRanges": ["10.0.0.0/8", "10.0.0.1"]}),
            of("sourceRanges[1]"),
            "192.0.2.0/24",
        ),
    ] {
        let refusal = check(&asked(members.clone()), &[]).unwrap_err();
        assert_eq!(refusal.field, field, "{members}");
        assert!(refusal.message.contains(words), "{refusal}");
    }
}

#[test]
fn a_member_of_another_type_is_refused() {
    let external = json!({"host": "192.0.2.9"});
    for (expose, member) in [
        (json!({"type": "NodePort", "loadBalancer": {}}), "loadBalancer"),
        (json!({"type": "Gateway", "loadBalancer": {}}), "loadBalancer"),
        (json!({"type": "LoadBalancer", "nodePort": {}}), "nodePort"),
        (json!({"type": "LoadBalancer", "external": external}), "external"),
        (json!({"type": "External", "external": external, "nodePort": {}}), "nodePort"),
    ] {
        let raw = object(json!({"version": "1.37", "expose": expose}));
        let refusal = check(&raw, &[]).unwrap_err();
        assert_eq!(refusal.field, format!("spec.expose.{member}"), "{refusal}");
    }
}

#[test]
fn what_is_missing_is_said_in_words() {
    let taken = BalancerView { taken_by: Some("other/one".to_owned()), ..gives(GIVEN) };
    let named = BalancerView { names: vec!["lb.example".to_owned()], ..view() };
    let warned = BalancerView { warning: Some("no available IPs".to_owned()), ..view() };
    let outer = BalancerView { class: Some("outer".to_owned()), ..view() };
    let address = json!({"address": "198.51.100.9"});
    for (members, view, words) in [
        (json!({}), BalancerView::default(), "is being made"),
        (json!({}), view(), "empty status.loadBalancer"),
        (json!({"class": "outer"}), outer, "that of class outer runs"),
        (address.clone(), view(), "can give 198.51.100.9"),
        (json!({}), warned, "no available IPs"),
        (address, gives(GIVEN), "spec.expose.loadBalancer.address is 198.51.100.9"),
        (json!({}), named, "the name lb.example and no IP address"),
        (json!({}), taken, "which is the endpoint of other/one"),
        (json!({}), gives("10.244.7.7"), "which is in 10.244.0.0/16"),
    ] {
        let tenant = with_given_address(check(&asked(members), &[]).unwrap(), &view, false);
        let said = missing(&tenant, &view).unwrap();
        assert!(said.starts_with("no load balancer has given an address yet: "), "{said}");
        assert!(said.contains(words) && said.contains("kube-apiserver-public"), "{said}");
        assert_eq!(tenant.endpoint(), None, "{said}");
    }
}

#[test]
fn a_name_without_an_address_is_the_endpoint_where_the_spec_says_the_address() {
    let tenant = check(&asked(json!({"address": GIVEN})), &[]).unwrap();
    let named = BalancerView { names: vec!["lb.example".to_owned()], ..view() };
    let tenant = with_given_address(tenant, &named, false);
    assert_eq!(tenant.endpoint().unwrap().authority(), "lb.example:6443");
    assert_eq!(tenant.exposure.addresses[0].to_string(), GIVEN);
}

#[test]
fn one_that_is_born_keeps_its_address_whatever_is_given_and_asks_for_it() {
    let plane = born(&plain(), GIVEN);
    for seen in [view(), gives("198.51.100.99"), BalancerView::default()] {
        let tenant = check(&plain(), std::slice::from_ref(&plane)).unwrap();
        let tenant = with_given_address(tenant, &seen, true);
        assert_eq!(tenant.endpoint().unwrap().authority(), "198.51.100.20:6443");
        assert_eq!(request(&tenant).address, GIVEN.parse().ok());
        assert_eq!(missing(&tenant, &seen), None);
    }
}

#[test]
fn one_that_is_born_is_refused_another_endpoint() {
    let plane = born(&plain(), GIVEN);
    for (members, field) in [
        (json!({"address": "198.51.100.9"}), "spec.expose.loadBalancer.address"),
        (json!({"port": 443}), "spec.expose.loadBalancer.port"),
        (json!({"class": "outer"}), "spec.expose.loadBalancer.class"),
    ] {
        let refusal = check(&asked(members), std::slice::from_ref(&plane)).unwrap_err();
        assert_eq!(refusal.field, field, "{refusal}");
    }
    let same = asked(json!({"address": GIVEN, "annotations": {"a": "b"}}));
    check(&same, &[plane]).unwrap();
    let expose = json!({"type": "LoadBalancer", "hostname": "late.example"});
    let late = object(json!({"version": "v1.35.4", "expose": expose}));
    let refusal = check(&late, &[born(&plain(), GIVEN)]).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.hostname", "{refusal}");
}

#[test]
fn until_it_is_born_what_is_given_last_counts_and_what_is_anothers_does_not() {
    let plane = PlaneRecord { born: false, ..born(&plain(), GIVEN) };
    let tenant = || check(&plain(), std::slice::from_ref(&plane)).unwrap();
    let moved = with_given_address(tenant(), &gives("198.51.100.99"), false);
    assert_eq!(moved.endpoint().unwrap().host, "198.51.100.99");
    let made_again = with_given_address(tenant(), &view(), false);
    assert_eq!(made_again.endpoint().unwrap().host, GIVEN);
    let taken = BalancerView { taken_by: Some("other/one".to_owned()), ..gives(GIVEN) };
    assert_eq!(with_given_address(tenant(), &taken, false).endpoint(), None);
    let asked = check(&asked(json!({"address": "198.51.100.9"})), &[plane]).unwrap();
    assert_eq!(asked.endpoint(), None, "another one is asked for now");
}

#[test]
fn until_it_is_born_another_class_takes_nothing_of_the_one_before() {
    let by = |class: &str| asked(json!({"class": class}));
    let unborn = |accepted: &TenantCluster| PlaneRecord { born: false, ..born(accepted, GIVEN) };
    let (outer, inner) = (by("example.com/outer"), by("example.com/inner"));
    let tenant = check(&inner, &[unborn(&outer)]).unwrap();
    assert_eq!((tenant.exposure.addresses.as_slice(), request(&tenant).address), (&[][..], None));
    let tenant = check(&outer, &[unborn(&outer)]).unwrap();
    assert_eq!(tenant.endpoint().unwrap().authority(), "198.51.100.20:6443");
}
