use super::*;

const OLD: &str = "192.0.2.1:31000";
const NEW: &str = "demo.acme.k8s.example.com:443";

fn former() -> Former {
    Former {
        type_: ExposeType::NodePort,
        service: PublicService::First,
        host: "192.0.2.1".to_owned(),
        port: 31_000,
        addresses: vec!["192.0.2.1".parse().unwrap()],
        way: Way::NodePort,
        extra_names: Vec::new(),
        handed_out: vec![HandedOut { endpoint: OLD.to_owned(), begun: None, since: None }],
    }
}

fn new() -> Endpoint {
    Endpoint { host: "demo.acme.k8s.example.com".to_owned(), port: 443 }
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-27T{time}Z").parse().unwrap()
}

/// It took half an hour until it was known that nodes are handed the new one.
fn moved() -> Former {
    let mut former = former();
    former.begin(&new(), at("12:00:00"));
    former.complete(at("12:30:00"));
    former
}

#[test]
fn a_node_uses_what_was_handed_out_when_it_joined() {
    let moved = moved();
    assert_eq!(moved.used_by(None, Some(at("11:58:59"))), Some(OLD));
    assert_eq!(moved.used_by(None, Some(at("12:35:00"))), Some(NEW));
}

#[test]
fn of_a_node_that_joined_while_the_endpoint_changed_it_is_not_known() {
    let moved = moved();
    for time in ["11:59:00", "12:00:00", "12:20:00", "12:34:59"] {
        assert_eq!(moved.used_by(None, Some(at(time))), None, "{time}");
    }
    assert_eq!(moved.used_by(None, None), None);
}

#[test]
fn on_the_way_back_nobody_is_taken_for_one_that_never_left() {
    let mut back = moved();
    back.begin(&former().endpoint(), at("13:00:00"));
    assert_eq!(back.used_by(None, Some(at("11:00:00"))), Some(OLD));
    assert_eq!(back.used_by(None, Some(at("12:20:00"))), None);
    assert_eq!(back.used_by(None, Some(at("12:50:00"))), Some(NEW));
    assert_eq!(back.used_by(None, Some(at("15:00:00"))), None, "it is not known to be handed out");
    back.complete(at("13:00:10"));
    assert_eq!(back.used_by(None, Some(at("15:00:00"))), Some(OLD));
}

#[test]
fn what_has_begun_or_is_complete_stays_as_it_is() {
    let mut again = moved();
    again.begin(&new(), at("14:00:00"));
    again.complete(at("14:00:00"));
    assert_eq!(again, moved());
    let mut never = former();
    never.complete(at("14:00:00"));
    assert_eq!(never, former());
}

#[test]
fn what_a_node_says_itself_counts_more() {
    let moved = moved();
    assert_eq!(moved.used_by(Some(NEW), Some(at("11:00:00"))), Some(NEW));
    assert_eq!(moved.used_by(Some(OLD), Some(at("13:00:00"))), Some(OLD));
}

#[test]
fn as_long_as_nothing_new_is_handed_out_every_node_uses_what_was_before() {
    assert_eq!(former().used_by(None, Some(at("13:00:00"))), Some(OLD));
    assert!(!former().hands_out(&new()));
    assert!(moved().hands_out(&new()));
}

#[test]
fn of_a_node_that_joined_before_all_that_is_remembered_it_is_not_known() {
    let (mut former, other) = (former(), Endpoint { port: 8443, ..new() });
    for endpoint in [new(), other].iter().cycle().take(MOST_CHANGES) {
        former.begin(endpoint, at("12:00:00"));
    }
    assert_eq!(former.handed_out.len(), MOST_CHANGES);
    assert_eq!(former.used_by(None, Some(at("11:00:00"))), None);
}

#[test]
fn what_is_recorded_is_read_again() {
    let moved = moved();
    let text = serde_json::to_string(&moved).unwrap();
    assert_eq!(serde_json::from_str::<Former>(&text).unwrap(), moved);
}

#[test]
fn only_so_many_nodes_are_told_by_name() {
    let nodes: BTreeSet<String> = (0..100).map(|number| format!("node-{number:03}")).collect();
    let left = NodesLeft::of(&nodes);
    assert_eq!((left.count, left.names.len()), (100, MOST_NAMES));
    assert_eq!(left.names[0], "node-000");
}

#[test]
fn the_command_has_no_quote_that_would_end_it_early() {
    let command = command(&new());
    assert_eq!(command.matches('\'').count(), 2, "{command}");
    assert!(command.starts_with("sh -ec '") && command.ends_with('\''), "{command}");
    assert!(!command.contains('\n'));
}
