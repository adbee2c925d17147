use serde_json::{from_value, json};

use super::*;

const OLD: &str = "192.0.2.1:31000";
const NEW: &str = "demo.acme.k8s.example.com:443";

fn former() -> Former {
    from_value(json!({
        "type": "NodePort", "service": "First", "host": "192.0.2.1", "port": 31000,
        "addresses": ["192.0.2.1"], "way": "NodePort",
        "handedOut": [{"endpoint": OLD}, {"endpoint": NEW, "begun": "2026-11-27T12:00:00Z", "since": "2026-11-27T12:00:09Z"}],
    }))
    .unwrap()
}

fn node(name: &str, joined: &str, told: Option<&str>) -> SeenNode {
    let annotations = told.map(|told| json!({labels::NODE_ENDPOINT: told}));
    from_value(json!({
        "metadata": {"name": name, "annotations": annotations, "creationTimestamp": joined},
    }))
    .unwrap()
}

const BEFORE: &str = "2026-11-27T11:00:00Z";
const AFTER: &str = "2026-11-27T13:00:00Z";

fn names(left: Option<NodesLeft>) -> Vec<String> {
    left.unwrap().names
}

#[test]
fn those_are_left_that_joined_before_and_have_not_said_that_they_use_the_new_one() {
    let endpoints = (former(), NEW.to_owned());
    let mut tally = Tally::of(&endpoints);
    assert_eq!(tally.take(&Event::Init), None);
    assert_eq!(tally.take(&Event::InitApply(node("old", BEFORE, None))), None);
    tally.take(&Event::InitApply(node("new", AFTER, None)));
    tally.take(&Event::InitApply(node("moved", BEFORE, Some(NEW))));
    assert_eq!(names(tally.take(&Event::InitDone)), ["old"]);
    assert_eq!(names(tally.take(&Event::Apply(node("late", BEFORE, None)))), ["late", "old"]);
    assert_eq!(names(tally.take(&Event::Apply(node("old", BEFORE, Some(NEW))))), ["late"]);
    assert_eq!(names(tally.take(&Event::Delete(node("late", BEFORE, None)))), [""; 0]);
}

#[test]
fn what_is_known_of_one_move_is_not_said_of_another() {
    let left = Left::default();
    let (one, other) = ((former(), NEW.to_owned()), (former(), OLD.to_owned()));
    left.follow(Some(one.clone()));
    assert!(left.asks_for(&one) && !left.asks_for(&other));
    assert!(left.set(Some(NodesLeft::default())));
    left.follow(Some(one));
    assert_eq!(left.get(), Some(NodesLeft::default()));
    left.follow(Some(other));
    assert_eq!(left.get(), None);
}
