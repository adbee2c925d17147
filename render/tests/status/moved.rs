//! What is said while there is a former endpoint.

use super::*;

fn former() -> Former {
    serde_json::from_value(json!({
        "type": "NodePort", "service": "First", "host": "192.0.2.7", "port": 30007,
        "addresses": ["192.0.2.7"], "way": "NodePort",
        "handedOut": [
            {"endpoint": "192.0.2.7:30007"},
            {"endpoint": "192.0.2.1:31000", "begun": "2026-11-27T12:00:00Z"},
        ],
    }))
    .unwrap()
}

fn left(names: &[&str]) -> NodesLeft {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    NodesLeft { count: names.len(), names }
}

fn moving(nodes_left: Option<NodesLeft>) -> Pass {
    Pass { former: Some(former()), nodes_left, ..valid() }
}

#[test]
fn without_a_former_endpoint_nothing_is_said_of_one() {
    let status = Pass { nodes_left: Some(left(&["old"])), ..valid() }.status();
    assert_eq!(status.former_endpoint, None);
    assert!(!status.conditions.iter().any(|one| one.type_ == conditions::NODES_MOVED));
}

#[test]
fn nodes_that_may_use_the_former_endpoint_are_named_with_what_to_run_there() {
    let status = moving(Some(left(&["old", "older"]))).status();
    let moved = condition(&status, conditions::NODES_MOVED).unwrap();
    assert_eq!((moved.status.as_str(), moved.reason.as_str()), ("False", "NodesLeft"));
    assert!(moved.message.contains("192.0.2.1:31000: old, older;"), "{}", moved.message);
    let former = status.former_endpoint.unwrap();
    assert_eq!(former.endpoint, "192.0.2.7:30007");
    assert_eq!(former.nodes, ["old", "older"]);
    assert!(former.command.contains("https://192.0.2.1:31000"), "{}", former.command);
    let status = moving(Some(left(&["old"]))).status();
    let ready = condition(&status, conditions::READY).unwrap();
    assert_eq!(ready.status, "True", "new nodes join all the same");
}

#[test]
fn of_many_nodes_it_is_said_how_many_more_there_are() {
    let nodes_left = Some(NodesLeft { count: 500, names: vec!["old".to_owned()] });
    let status = moving(nodes_left).status();
    let moved = condition(&status, conditions::NODES_MOVED).unwrap();
    assert!(moved.message.contains(": old and 499 more;"), "{}", moved.message);
}

#[test]
fn when_no_node_is_left_it_is_said_how_the_former_endpoint_ends() {
    let status = moving(Some(left(&[]))).status();
    let moved = condition(&status, conditions::NODES_MOVED).unwrap();
    assert_eq!((moved.status.as_str(), moved.reason.as_str()), ("True", "Moved"));
    assert!(moved.message.contains("192.0.2.7:30007 is served until spec.expose.retiredEndpoint"));
}

#[test]
fn what_is_not_known_is_not_guessed_and_what_was_seen_of_this_move_stays() {
    let mut pass = moving(None);
    let unknown = pass.status();
    assert_eq!(condition(&unknown, conditions::NODES_MOVED).unwrap().status, "Unknown");
    pass.raw.status = Some(moving(Some(left(&["old"]))).status());
    let after = pass.status();
    assert_eq!(condition(&after, conditions::NODES_MOVED).unwrap().status, "False");
    assert_eq!(after.former_endpoint.as_ref().unwrap().nodes, ["old"]);
    pass.raw.status.as_mut().unwrap().former_endpoint.as_mut().unwrap().endpoint = "a:1".to_owned();
    assert_eq!(condition(&pass.status(), conditions::NODES_MOVED).unwrap().status, "Unknown");
}

#[test]
fn with_the_former_endpoint_goes_what_was_said_of_it() {
    let mut pass = valid();
    pass.raw.status = Some(moving(Some(left(&["old"]))).status());
    let status = pass.status();
    assert_eq!(status.former_endpoint, None);
    assert!(!status.conditions.iter().any(|one| one.type_ == conditions::NODES_MOVED));
}

#[test]
fn an_endpoint_that_is_not_recorded_as_handed_out_is_not_told() {
    let mut pass = moving(Some(left(&["old"])));
    pass.former.as_mut().unwrap().handed_out.truncate(1);
    pass.raw.status = Some(TenantClusterStatus {
        endpoint: Some("192.0.2.7:30007".to_owned()),
        ..TenantClusterStatus::default()
    });
    let status = pass.status();
    assert_eq!(status.endpoint.as_deref(), Some("192.0.2.7:30007"));
    assert_eq!(status.former_endpoint, None);
}

#[test]
fn what_was_seen_of_the_former_endpoint_makes_nobody_ready() {
    let mut pass = moving(Some(left(&[])));
    pass.raw.status = Some(pass.status());
    pass.elsewhere = true;
    let status = pass.status();
    for kind in [conditions::READY, conditions::ENDPOINT_REACHABLE] {
        let found = condition(&status, kind).unwrap();
        assert_eq!((found.status.as_str(), found.reason.as_str()), ("Unknown", "NotProbedYet"));
    }
}
