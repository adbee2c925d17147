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
        handed_out: vec![HandedOut { endpoint: OLD.to_owned(), since: None }],
    }
}

fn new() -> Endpoint {
    Endpoint { host: "demo.acme.k8s.example.com".to_owned(), port: 443 }
}

fn at(time: &str) -> Option<Timestamp> {
    Some(format!("2026-11-27T{time}Z").parse().unwrap())
}

fn moved() -> Former {
    former().handing_out(&new(), at("12:00:00").unwrap())
}

#[test]
fn a_node_uses_what_was_handed_out_when_it_joined() {
    let moved = moved();
    assert_eq!(moved.used_by(None, at("11:59:59")), Some(OLD));
    assert_eq!(moved.used_by(None, at("12:05:00")), Some(NEW));
}

#[test]
fn of_a_node_that_joined_while_the_endpoint_changed_it_is_not_known() {
    let moved = moved();
    assert_eq!(moved.used_by(None, at("12:00:00")), None);
    assert_eq!(moved.used_by(None, at("12:04:59")), None);
    assert_eq!(moved.used_by(None, None), None);
}

#[test]
fn what_a_node_says_itself_counts_more() {
    let moved = moved();
    assert_eq!(moved.used_by(Some(NEW), at("11:00:00")), Some(NEW));
    assert_eq!(moved.used_by(Some(OLD), at("13:00:00")), Some(OLD));
}

#[test]
fn as_long_as_nothing_new_is_handed_out_every_node_uses_what_was_before() {
    assert_eq!(former().used_by(None, at("13:00:00")), Some(OLD));
    assert!(!former().hands_out(&new()));
    assert!(moved().hands_out(&new()));
}

#[test]
fn of_a_node_that_joined_before_all_that_is_remembered_it_is_not_known() {
    let minute = Duration::from_mins(10);
    let mut former = former();
    for turn in 1..=u32::try_from(MOST_CHANGES).unwrap() {
        former = former.handing_out(&new(), at("12:00:00").unwrap() + minute * turn);
    }
    assert_eq!(former.handed_out.len(), MOST_CHANGES);
    assert_eq!(former.used_by(None, at("11:00:00")), None);
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
