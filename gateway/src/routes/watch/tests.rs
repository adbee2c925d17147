//! Events of a watch, and the tables that are published.

use kube::api::ObjectMeta;

use super::*;

fn service(name: &str, hosts: &str) -> Service {
    let annotations = [(labels::GATEWAY_HOSTS.to_owned(), hosts.to_owned())];
    let spec = serde_json::json!({ "clusterIP": "10.96.0.7", "ports": [{ "port": 443 }] });
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("plane".to_owned()),
            annotations: Some(annotations.into()),
            ..ObjectMeta::default()
        },
        spec: serde_json::from_value(spec).unwrap(),
        ..Service::default()
    }
}

struct Stage {
    follower: Follower,
    tables: watch::Receiver<Arc<Table>>,
}

impl Stage {
    fn new(grace: Option<Duration>) -> Self {
        let (publish, tables) = watch::channel(Arc::default());
        let limits = Limits { connections: 10, rate: 10 };
        Self { follower: Follower::new(limits, grace, publish, Arc::default()), tables }
    }

    fn see(&mut self, event: Event<Service>) {
        if self.follower.note(event) {
            self.follower.publish();
        }
    }

    fn has(&self, name: &str) -> bool {
        self.tables.borrow().find(name).is_some()
    }
}

#[test]
fn of_a_list_nothing_is_published_before_its_end_and_then_all_else_is_gone() {
    let mut stage = Stage::new(None);
    stage.see(Event::Apply(service("old", "old.example.com")));
    assert!(stage.has("old.example.com"));
    stage.see(Event::Init);
    stage.see(Event::InitApply(service("new", "new.example.com")));
    assert!(stage.has("old.example.com") && !stage.has("new.example.com"));
    stage.see(Event::InitDone);
    assert!(!stage.has("old.example.com") && stage.has("new.example.com"));
    stage.see(Event::Delete(service("new", "")));
    assert!(stage.tables.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_removed_route_has_is_cut_after_the_grace_unless_it_comes_back() {
    for comes_back in [false, true] {
        let mut stage = Stage::new(Some(Duration::from_secs(10)));
        stage.see(Event::Apply(service("a", "a.example.com")));
        let route = Arc::clone(stage.tables.borrow().find("a.example.com").unwrap());
        let place = route.meter.admit(route.limits, std::time::Instant::now()).unwrap();
        let task = tokio::spawn(std::future::pending::<()>());
        place.is_held_by(task.abort_handle());
        stage.see(Event::Delete(service("a", "")));
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(!task.is_finished());
        if comes_back {
            stage.see(Event::Apply(service("a", "a.example.com")));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(task.is_finished(), !comes_back);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_nothing_is_ever_cut() {
    let mut stage = Stage::new(None);
    stage.see(Event::Apply(service("a", "a.example.com")));
    let route = Arc::clone(stage.tables.borrow().find("a.example.com").unwrap());
    let place = route.meter.admit(route.limits, std::time::Instant::now()).unwrap();
    let task = tokio::spawn(std::future::pending::<()>());
    place.is_held_by(task.abort_handle());
    stage.see(Event::Delete(service("a", "")));
    tokio::time::sleep(Duration::from_secs(1_000_000)).await;
    assert!(!task.is_finished());
}
