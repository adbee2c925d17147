//! What `spec.expose.type: Gateway` leads to, and what it is refused with.

use nagaya_render::moves::Moves;
use nagaya_render::settings::GatewaySettings;
use nagaya_render::tenant::{Exposure, Way};
use nagaya_render::validate::check_settings;

use super::*;

pub const ADDRESS: &str = "198.51.100.7";
pub const HOST: &str = "demo.shop.k8s.example";

pub fn gateway() -> GatewaySettings {
    GatewaySettings {
        domain: Some("k8s.example".to_owned()),
        addresses: vec![ADDRESS.parse().unwrap()],
        ..GatewaySettings::default()
    }
}

pub fn asked(expose: Value) -> TenantCluster {
    object(json!({"version": "v1.35.4", "expose": expose}))
}

pub fn behind(
    gateway: GatewaySettings,
    raw: &TenantCluster,
    planes: &[PlaneRecord],
) -> Result<Exposure, Refusal> {
    let settings = Settings { gateway, ..settings() };
    let around = Surroundings {
        settings: &settings,
        project_enabled: true,
        planes,
        oldest_kubelet: &OldestKubelet::NoNode,
    };
    validate(raw, around).map(|tenant| tenant.exposure)
}

/// Of a cluster that was healthy, with what was accepted.
pub fn born(expose: Value, host: &str, port: u16) -> PlaneRecord {
    PlaneRecord {
        endpoint_host: Some(host.to_owned()),
        endpoint_port: Some(port),
        accepted_spec: Some(asked(expose).spec),
        ..record()
    }
}

pub fn host_and_port(found: &Exposure) -> (&str, Option<u16>) {
    (found.host.as_deref().unwrap_or_default(), found.port)
}

pub fn names(hosts: &[&str]) -> Way {
    Way::Gateway { hosts: hosts.iter().map(|host| (*host).to_owned()).collect() }
}

#[test]
fn a_tenant_has_a_name_of_its_own_at_the_gateways_address_and_port() {
    let found = behind(gateway(), &asked(json!({"type": "Gateway"})), &[]).unwrap();
    let wanted = Exposure {
        host: Some(HOST.to_owned()),
        addresses: vec![ADDRESS.parse().unwrap()],
        port: Some(443),
        way: names(&[HOST]),
        extra_names: Vec::new(),
        moves: Moves::default(),
    };
    assert_eq!(found, wanted);
}

#[test]
fn further_names_lead_there_but_for_addresses_and_patterns() {
    let extra = ["api.shop.example", "203.0.113.5", "*.shop.example", HOST, "api.shop.example"];
    let raw = asked(json!({"type": "Gateway", "extraNames": extra}));
    let found = behind(gateway(), &raw, &[]).unwrap();
    assert_eq!(found.way, names(&[HOST, "api.shop.example"]));
    assert_eq!(found.extra_names, extra, "all are in the certificate");
}

#[test]
fn a_name_below_the_gateways_domain_is_somebody_elses() {
    for name in ["other.shop.k8s.example", "k8s.example", "*.shop.k8s.example"] {
        let raw = asked(json!({"type": "Gateway", "extraNames": ["ok.example", name]}));
        let refusal = behind(gateway(), &raw, &[]).unwrap_err();
        assert_eq!(refusal.field, "spec.expose.extraNames[1]", "{refusal}");
    }
    let alike = asked(json!({"type": "Gateway", "extraNames": ["my-k8s.example"]}));
    behind(gateway(), &alike, &[]).unwrap();
}

#[test]
fn a_name_that_pods_of_every_tenant_ask_for_is_nobodys() {
    for name in [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ] {
        let raw = asked(json!({"type": "Gateway", "extraNames": [name]}));
        let refusal = behind(gateway(), &raw, &[]).unwrap_err();
        assert_eq!(refusal.field, "spec.expose.extraNames[0]", "{refusal}");
    }
}

#[test]
fn a_type_that_nobody_recorded_is_told_by_the_endpoint() {
    let lost = |host| PlaneRecord { accepted_spec: None, ..born(json!({}), host, 443) };
    let asked = asked(json!({"type": "Gateway"}));
    assert_eq!(behind(gateway(), &asked, &[lost(HOST)]).unwrap().host.as_deref(), Some(HOST));
    let refusal = behind(gateway(), &asked, &[lost("192.0.2.1")]).unwrap_err();
    assert_eq!(refusal.field, "spec.expose.type", "{refusal}");
}

#[test]
fn a_name_that_came_to_lie_below_the_domain_stays_and_is_not_led() {
    let expose = json!({"type": "Gateway", "extraNames": ["api.shop.example"]});
    let plane = born(expose.clone(), HOST, 443);
    let other = GatewaySettings { domain: Some("shop.example".to_owned()), ..gateway() };
    let found = behind(other, &asked(expose), &[plane]).unwrap();
    assert_eq!(found.way, names(&[HOST]));
    assert_eq!(found.extra_names, ["api.shop.example"]);
}

#[test]
fn what_cannot_be_served_is_refused_by_its_field() {
    let nowhere = GatewaySettings { addresses: Vec::new(), ..gateway() };
    let none = GatewaySettings::default();
    let long =
        GatewaySettings { domain: Some(format!("{}example", "a.".repeat(120))), ..gateway() };
    let plain = json!({"type": "Gateway"});
    for (gateway, expose, field, words) in [
        (none, plain.clone(), "spec.expose.type", "gateway.domain is not set"),
        (nowhere, plain.clone(), "spec.expose.type", "gateway.addresses"),
        (long, plain, "metadata.name", "has 270 characters"),
        (
            gateway(),
            json!({"type": "Gateway", "hostname": "api.shop.example"}),
            "spec.expose.hostname",
            "add api.shop.example to spec.expose.extraNames",
        ),
        (
            gateway(),
            json!({"type": "Gateway", "nodePort": {"port": 31000}}),
            "spec.expose.nodePort",
            "belongs to type NodePort",
        ),
        (
            gateway(),
            json!({"type": "Gateway", "extraNames": ["Not_ok"]}),
            "spec.expose.extraNames[0]",
            "",
        ),
    ] {
        let refusal = behind(gateway, &asked(expose.clone()), &[]).unwrap_err();
        assert_eq!(refusal.field, field, "{expose}");
        assert!(refusal.message.contains(words), "{refusal}");
    }
}

#[test]
fn a_pod_network_that_holds_the_gateway_is_refused() {
    let networks = json!({"podCIDRs": ["198.51.0.0/16"]});
    let spec = json!({"version": "1.37", "networking": networks, "expose": {"type": "Gateway"}});
    let refusal = behind(gateway(), &object(spec), &[]).unwrap_err();
    assert_eq!(refusal.field, "spec.networking.podCIDRs[0]");
}

#[test]
fn a_tenant_keeps_the_name_and_the_port_that_it_was_born_with() {
    let plane = born(json!({"type": "Gateway"}), "demo.shop.of-before.example", 8443);
    let found = behind(gateway(), &asked(json!({"type": "Gateway"})), &[plane]).unwrap();
    assert_eq!(host_and_port(&found), ("demo.shop.of-before.example", Some(8443)));
    assert_eq!(found.way, names(&["demo.shop.of-before.example"]));
    assert_eq!(found.addresses, gateway().addresses, "they are not baked in");
}

#[test]
fn until_it_was_healthy_the_type_can_be_corrected() {
    let unborn = |expose, host, port| PlaneRecord { born: false, ..born(expose, host, port) };
    let by_port = unborn(json!({"type": "NodePort"}), "192.0.2.1", 31000);
    let found = behind(gateway(), &asked(json!({"type": "Gateway"})), &[by_port]).unwrap();
    assert_eq!(host_and_port(&found), (HOST, Some(443)));
    let by_gateway = unborn(json!({"type": "Gateway"}), HOST, 443);
    let found = behind(gateway(), &asked(json!({})), &[by_gateway]).unwrap();
    assert_eq!(host_and_port(&found), ("192.0.2.1", None));
}

#[test]
fn settings_of_a_gateway_that_nobody_could_reach_are_refused_by_their_key() {
    let domain = |domain: &str| GatewaySettings { domain: Some(domain.to_owned()), ..gateway() };
    let addresses = |addresses: &[&str]| GatewaySettings {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ..gateway()
    };
    for (gateway, key) in [
        (domain("Clusters.example"), "gateway.domain"),
        (domain("*.example"), "gateway.domain"),
        (domain("192.0.2.1"), "gateway.domain"),
        (addresses(&[]), "gateway.addresses"),
        (addresses(&[ADDRESS, "0.0.0.0"]), "gateway.addresses"),
    ] {
        let settings = Settings { gateway, manager_image: "nagaya".to_owned(), ..settings() };
        assert_eq!(check_settings(&settings).unwrap_err().field, key, "{:?}", settings.gateway);
    }
    let no_new_ones = GatewaySettings { domain: None, ..gateway() };
    for gateway in [gateway(), no_new_ones, GatewaySettings::default()] {
        let settings = Settings { gateway, manager_image: "nagaya".to_owned(), ..settings() };
        check_settings(&settings).unwrap();
    }
}

mod forwarder {
    use nagaya_render::settings::ForwarderSettings;
    use nagaya_render::tenant::Forwarder;

    use super::*;

    fn at(addresses: &[&str]) -> ForwarderSettings {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        ForwarderSettings { addresses, ..ForwarderSettings::default() }
    }

    fn resolved(spec: Value, forwarder: ForwarderSettings) -> Result<Option<Forwarder>, Refusal> {
        let gateway = GatewaySettings { forwarder, ..gateway() };
        let settings = Settings { gateway, ..settings() };
        let around = Surroundings {
            settings: &settings,
            project_enabled: true,
            planes: &[],
            oldest_kubelet: &OldestKubelet::NoNode,
        };
        validate(&object(spec), around).map(|tenant| tenant.forwarder)
    }

    fn spec(networking: Value) -> Value {
        json!({"version": "v1.35.4", "expose": {"type": "Gateway"}, "networking": networking})
    }

    #[test]
    fn it_has_the_address_of_the_family_of_services_and_only_behind_the_gateway() {
        let standard = ForwarderSettings::default;
        let found = resolved(spec(json!({})), standard()).unwrap().unwrap();
        assert_eq!((found.address.to_string().as_str(), found.managed), ("240.110.97.103", true));
        let six = json!({"podCIDRs": ["fd00:10::/56"], "serviceCIDRs": ["fd00:20::/112"]});
        let found = resolved(spec(six.clone()), standard()).unwrap().unwrap();
        assert_eq!(found.address.to_string(), "fd6e:6167:6179::1");
        let refusal = resolved(spec(six), at(&["240.0.0.1"])).unwrap_err();
        assert_eq!(refusal.field, "spec.networking.serviceCIDRs[0]", "{refusal}");
        assert!(refusal.message.contains("gateway.forwarder.addresses"), "{refusal}");
        let near = json!({"version": "v1.35.4"});
        assert_eq!(resolved(near, standard()).unwrap(), None);
        let mut own = spec(json!({}));
        own["addons"] = json!({"forwarder": {"management": "Unmanaged"}});
        assert!(!resolved(own, standard()).unwrap().unwrap().managed);
    }

    #[test]
    fn an_address_within_the_tenants_networks_is_refused() {
        for (address, field) in [
            ("10.244.7.7", "spec.networking.podCIDRs[0]"),
            ("10.96.0.77", "spec.networking.serviceCIDRs[0]"),
        ] {
            let refusal = resolved(spec(json!({})), at(&[address])).unwrap_err();
            assert_eq!(refusal.field, field, "{refusal}");
            assert!(refusal.message.contains(address), "{refusal}");
        }
    }

    #[test]
    fn an_address_that_default_kubernetes_cannot_have_is_refused_at_start() {
        let wrong: [&[&str]; 7] = [
            &["127.0.0.2"],
            &["169.254.20.10"],
            &["fe80::1"],
            &["0.0.0.0"],
            &["255.255.255.255"],
            &["ff02::1"],
            &["240.0.0.1", "240.0.0.2"],
        ];
        let with = |gateway| Settings { gateway, manager_image: "nagaya".to_owned(), ..settings() };
        for addresses in wrong {
            let gateway = GatewaySettings { forwarder: at(addresses), ..gateway() };
            let refusal = check_settings(&with(gateway)).unwrap_err();
            assert_eq!(refusal.field, "gateway.forwarder.addresses", "{refusal}");
        }
        check_settings(&with(gateway())).unwrap();
    }
}
