//! Services and the table that they make.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;
use nagaya_api::labels;

use super::*;

const DEFAULTS: Limits = Limits { connections: 10, rate: 20 };

fn service(name: &str, created: i64, annotations: &[(&str, &str)]) -> Service {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let port = |name: &str, port, protocol: &str| ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("plane".to_owned()),
            creation_timestamp: Some(Time("2026-11-27T00:00:00Z".parse().unwrap())).map(
                |Time(time)| Time(time + std::time::Duration::from_secs(created.unsigned_abs())),
            ),
            labels: Some(pairs(&[(labels::TENANT_NAMESPACE, "acme"), (labels::TENANT_NAME, name)])),
            annotations: Some(pairs(annotations)),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("10.96.0.7".to_owned()),
            ports: Some(vec![
                port("dns", 53, "UDP"),
                port("metrics", 9090, "TCP"),
                port("https", 6443, "TCP"),
            ]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn claim(name: &str, created: i64, hosts: &str) -> Claim {
    Claim::of(&service(name, created, &[(labels::GATEWAY_HOSTS, hosts)]))
}

fn table_of(claims: impl IntoIterator<Item = Claim>) -> Table {
    let mut routes = Routes::new(DEFAULTS);
    routes.replace(claims);
    routes.table()
}

fn owner<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    table.find(name).map(|route| route.service.name.as_str())
}

fn problems(claim: &Claim) -> Vec<&'static str> {
    claim.problems.iter().map(Into::into).collect()
}

#[test]
fn each_name_leads_to_the_address_and_the_https_port_of_its_service() {
    let table = table_of([claim("demo", 0, " Demo.Acme.example.com , api.example.com.,")]);
    assert_eq!(table.len(), 2);
    for name in ["demo.acme.example.com", "api.example.com"] {
        let route = table.find(name).unwrap();
        assert_eq!(route.backend, "10.96.0.7:6443".parse().unwrap());
        assert_eq!((route.tenant.as_str(), route.limits), ("acme/demo", DEFAULTS));
    }
    assert!(table.refused().is_empty());
}

#[test]
fn an_annotation_wins_over_the_gateways_own_limits() {
    let annotations = [
        (labels::GATEWAY_HOSTS, "a.example.com"),
        (labels::GATEWAY_CONNECTIONS, "7"),
        (labels::GATEWAY_CONNECTION_RATE, "many"),
    ];
    let claim = Claim::of(&service("a", 0, &annotations));
    assert_eq!(problems(&claim), ["InvalidLimit"]);
    let limits = table_of([claim]).find("a.example.com").unwrap().limits;
    assert_eq!(limits, Limits { connections: 7, rate: DEFAULTS.rate });
}

#[test]
fn what_is_no_host_name_is_refused_alone() {
    let claim = claim("a", 0, "*.example.com,10.0.0.1,a b,a.example.com");
    assert_eq!(problems(&claim), ["InvalidName"; 3]);
    assert_eq!(table_of([claim]).len(), 1);
    assert_eq!(problems(&Claim::of(&service("a", 0, &[]))), ["NoName"]);
}

#[test]
fn a_service_without_an_address_or_a_tcp_port_leads_nowhere() {
    let mut headless = service("a", 0, &[(labels::GATEWAY_HOSTS, "a.example.com")]);
    headless.spec.as_mut().unwrap().cluster_ip = Some("None".to_owned());
    assert_eq!(problems(&Claim::of(&headless)), ["NoAddress"]);
    let mut udp = service("a", 0, &[(labels::GATEWAY_HOSTS, "a.example.com")]);
    udp.spec.as_mut().unwrap().ports.as_mut().unwrap().truncate(1);
    assert_eq!(problems(&Claim::of(&udp)), ["NoPort"]);
    assert!(table_of([Claim::of(&headless)]).is_empty());
}

#[test]
fn the_first_name_of_a_service_is_not_taken_by_a_further_one_of_an_older_service() {
    let old = claim("old", 0, "old.example.com,young.example.com,api.example.com");
    let young = claim("young", 5, "young.example.com,api.example.com");
    let table = table_of([old, young]);
    assert_eq!(owner(&table, "young.example.com"), Some("young"));
    assert_eq!(owner(&table, "old.example.com"), Some("old"));
    assert_eq!(owner(&table, "api.example.com"), Some("old"));
    assert_eq!(table.refused().len(), 2);
}

#[test]
fn a_name_that_two_claim_is_the_older_ones_in_whatever_order_they_are_seen() {
    let (young, old) =
        (claim("a", 5, "x.example.com,a.example.com"), claim("b", 3, "x.example.com"));
    for claims in [[young.clone(), old.clone()], [old.clone(), young.clone()]] {
        let table = table_of(claims);
        assert_eq!(owner(&table, "x.example.com"), Some("b"));
        assert_eq!(owner(&table, "a.example.com"), Some("a"));
        let (name, by) = ("x.example.com".to_owned(), old.service.clone());
        let problem = ClaimProblem::NameTaken { name, by };
        assert_eq!(table.refused(), [RefusedName { service: young.service.clone(), problem }]);
    }
}

#[test]
fn of_two_that_are_as_old_the_first_by_name_keeps_it_and_the_other_gets_it_when_that_goes() {
    let mut routes = Routes::new(DEFAULTS);
    routes.replace([claim("b", 3, "x.example.com"), claim("a", 3, "x.example.com")]);
    assert_eq!(owner(&routes.table(), "x.example.com"), Some("a"));
    routes.remove(&claim("a", 3, "").service);
    assert_eq!(owner(&routes.table(), "x.example.com"), Some("b"));
}

#[test]
fn what_a_route_has_stays_counted_while_it_changes_and_goes_and_comes_back() {
    let mut routes = Routes::new(DEFAULTS);
    routes.set(claim("a", 0, "a.example.com"));
    let route = Arc::clone(routes.table().find("a.example.com").unwrap());
    let place = route.meter.admit(route.limits, Instant::now()).unwrap();
    routes.set(claim("a", 0, "b.example.com"));
    assert_eq!(routes.table().find("b.example.com").unwrap().meter.open(), 1);
    routes.remove(&route.service);
    assert!(routes.table().is_empty());
    assert_eq!(routes.departed().count(), 1);
    routes.set(claim("a", 9, "a.example.com"));
    assert_eq!(routes.table().find("a.example.com").unwrap().meter.open(), 1);
    assert_eq!(routes.departed().count(), 0);
    routes.remove(&route.service);
    drop(place);
    routes.table();
    assert!(routes.meters.is_empty());
}

#[test]
fn routes_are_told_a_line_each() {
    let told = table_of([claim("a", 0, "a.example.com"), claim("b", 1, "a.example.com")]).told();
    let expected = "a.example.com -> 10.96.0.7:6443 (plane/a of acme/a): 0 open; at most 10 connections, \
                    20 new ones a second\nrefused: plane/b: a.example.com belongs to the older Service plane/a\n";
    assert_eq!(told, expected);
}
