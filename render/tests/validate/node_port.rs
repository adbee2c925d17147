//! An endpoint on the management nodes: its host and port until kubelets know them, and after.

use super::*;

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
