//! What is said of a tenant whose load balancer has not given an address, or gives another one.

use nagaya_render::turns::TemplateState;

use super::*;

fn balanced() -> Pass {
    Pass::over(json!({"version": "1.37", "expose": {"type": "LoadBalancer"}}))
}

fn gives(address: &str) -> BalancerView {
    let addresses = vec![address.parse().unwrap()];
    BalancerView { service: true, addresses, ..BalancerView::default() }
}

fn unreachable() -> ProbeReport {
    let endpoint = Finding::failed(Reason::EndpointTimeout, "no answer");
    ProbeReport { endpoint, ..joinable() }
}

#[test]
fn a_tenant_without_an_address_says_that_and_nothing_of_what_would_follow() {
    let service = BalancerView { service: true, ..BalancerView::default() };
    // Also where it was exposed otherwise a moment ago, and its pods are well.
    for (born, workloads, probed) in
        [(false, Workloads::default(), None), (true, running(), Some(joinable()))]
    {
        let balancer = service.clone();
        let status = Pass { probed, workloads, balancer, born, ..balanced() }.status();
        assert_eq!(says(&status, "Ready"), "False LoadBalancerPending");
        assert_eq!(says(&status, "Reconciling"), "True LoadBalancerPending");
        assert_eq!(says(&status, "EndpointReachable"), "False LoadBalancerPending");
        assert_eq!(status.endpoint, None);
        let ready = condition(&status, "Ready").unwrap();
        let words = "no load balancer has given an address yet: ";
        assert!(ready.message.starts_with(words), "{}", ready.message);
    }
}

#[test]
fn one_that_moves_is_ready_where_it_is_and_says_what_it_waits_for() {
    let next = resolved(&balanced().raw).unwrap();
    let mut tenant = resolved(&raw(json!({"version": "1.37"}))).unwrap();
    let endpoint = tenant.endpoint().unwrap().authority();
    let awaited = Awaited { expose: next.spec.expose, exposure: next.exposure };
    tenant.exposure.moves.awaited = Some(Box::new(awaited));
    let status = balanced().status_of(Ok(tenant.clone()));
    assert_eq!(says(&status, "Ready"), "True Joinable");
    assert!(nagaya_render::turns::has_arrived(&status.conditions), "others need not wait for it");
    assert_eq!(says(&status, "EndpointReachable"), "True Reachable");
    assert_eq!(says(&status, "Reconciling"), "True LoadBalancerPending");
    let words = condition(&status, "Reconciling").unwrap().message.clone();
    assert!(words.starts_with(&format!("the endpoint stays {endpoint} until")), "{words}");
    assert_eq!(status.endpoint, Some(endpoint));
    tenant.templates.state = TemplateState::Waiting("waiting for its turn to roll".to_owned());
    let status = balanced().status_of(Ok(tenant));
    assert_eq!(says(&status, "Reconciling"), "True WaitingToRoll", "or it never gets its turn");
}

#[test]
fn a_failed_pass_is_said_first() {
    let failure = Failure { reason: "ApiCall", message: "no".to_owned() };
    let pass = Pass { born: false, probed: None, failure: Some(failure), ..balanced() };
    assert_eq!(says(&pass.status(), "Ready"), "False ApiCall");
}

#[test]
fn another_address_than_nodes_have_is_said_where_nobody_gets_through() {
    let given = gives("198.51.100.20");
    let with = |balancer, probed| Pass { given: given.clone(), balancer, probed, ..balanced() };
    let well = with(gives("198.51.100.99"), Some(joinable())).status();
    assert_eq!(says(&well, "Ready"), "True Joinable", "somebody leads it there");
    assert_eq!(well.endpoint.as_deref(), Some("198.51.100.20:6443"));
    let astray = with(gives("198.51.100.99"), Some(unreachable())).status();
    assert_eq!(says(&astray, "Ready"), "False AddressChanged");
    assert_eq!(says(&astray, "EndpointReachable"), "False AddressChanged");
    let words = condition(&astray, "Ready").unwrap().message.clone();
    assert!(
        words.contains("gives 198.51.100.99") && words.contains("have 198.51.100.20"),
        "{words}"
    );
    assert_eq!(astray.endpoint.as_deref(), Some("198.51.100.20:6443"));
    let service = BalancerView { service: true, ..BalancerView::default() };
    let lost = with(service, Some(unreachable())).status();
    assert_eq!(says(&lost, "Ready"), "False LoadBalancerPending");
    let right = with(given.clone(), Some(unreachable())).status();
    assert_eq!(says(&right, "Ready"), "False EndpointTimeout");
}

#[test]
fn the_port_that_an_external_one_has_to_lead_to_is_in_the_status() {
    let external = json!({"host": "198.51.100.30"});
    let spec = json!({"version": "1.37", "expose": {"type": "External", "external": external}});
    let mut tenant = resolved(&raw(spec.clone())).unwrap();
    tenant.exposure.way = nagaya_render::tenant::Way::External { node_port: Some(31_555) };
    let status = Pass::over(spec).status_of(Ok(tenant));
    assert_eq!(status.node_port, Some(31_555));
    assert_eq!(status.endpoint.as_deref(), Some("198.51.100.30:6443"));
    assert_eq!(balanced().status().node_port, None);
}
