//! Following against a scripted API server.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use futures::stream;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use tokio::sync::mpsc;
use tower::BoxError;
use tower_test::mock;

use super::*;
use crate::tenant::connection::given_up_if_silent;

type Answer = UnsyncBoxBody<Bytes, BoxError>;
type Server = mock::Handle<http::Request<Body>, Response<Answer>>;
type Text = mpsc::UnboundedSender<io::Result<String>>;

const LIST: &str =
    r#"{"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]}"#;
const LISTED: [&str; 3] = ["Init", "InitApply(a)", "InitDone"];
const EXPIRED: &str = r#"{"kind": "Status", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}"#;

fn event(kind: &str, name: &str, version: &str) -> String {
    let metadata = format!(r#"{{"name": "{name}", "resourceVersion": "{version}"}}"#);
    let object = format!(r#"{{"apiVersion": "v1", "kind": "Node", "metadata": {metadata}}}"#);
    format!(r#"{{"type": "{kind}", "object": {object}}}"#)
}

fn error(status: &str) -> String {
    format!(r#"{{"type": "ERROR", "object": {status}}}"#)
}

/// Follows until the script is played, whose last answer brings nothing, and says what was seen.
async fn seen_while<F: Future<Output = ()>>(script: impl FnOnce(Server) -> F) -> Vec<String> {
    let (service, server) = mock::pair();
    let client = Client::new(service, "default");
    let tenant = TenantKey { namespace: "acme".into(), name: "demo".into(), uid: "1".into() };
    let path = "/api/v1/nodes".to_owned();
    let list = ListParams::default().labels("a=b").limit(PAGE);
    let followed = Followed { tenant: &tenant, client: &client, path, list };
    let seen: Mutex<Vec<String>> = Mutex::default();
    let following = follow(&followed, |event: Event<PartialObjectMeta>| {
        seen.lock().unwrap().push(event.to_string());
    });
    tokio::select! {
        () = following => unreachable!("it never ends"),
        () = script(server) => {}
    }
    seen.into_inner().unwrap()
}

/// Expects a request whose query has `part` in it.
async fn answer_with(server: &mut Server, part: &str, status: u16, body: Answer) {
    let (request, answer) = server.next_request().await.expect("a request");
    let uri = request.uri().to_string();
    assert!(uri.contains(part) && uri.contains("labelSelector=a%3Db"), "{part}: {uri}");
    let accepted = request.headers()[http::header::ACCEPT].to_str().unwrap();
    assert!(accepted.contains("as=PartialObjectMetadata"), "{accepted}");
    answer.send_response(Response::builder().status(status).body(body).unwrap());
}

async fn answer(server: &mut Server, part: &str, status: u16, body: impl Into<String>) {
    let body = Full::from(body.into()).map_err(Into::into).boxed_unsync();
    answer_with(server, part, status, body).await;
}

/// How long it was silent before it asked again, and was refused.
async fn pause(server: &mut Server, part: &str) -> Duration {
    let begun = Instant::now();
    answer(server, part, 500, "broken").await;
    begun.elapsed()
}

/// An answer that goes on for as long as the other side is kept, or until the tenant's connection gives it up.
fn endless() -> (Text, Answer) {
    let (sender, receiver) = mpsc::unbounded_channel::<io::Result<String>>();
    let frames = stream::unfold(receiver, async |mut receiver| {
        let text = receiver.recv().await?;
        Some((text.map(|text| Frame::data(Bytes::from(text))), receiver))
    });
    (sender, given_up_if_silent(StreamBody::new(frames)).boxed_unsync())
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_what_was_seen_last() {
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        let events = [event("ADDED", "b", "6"), event("DELETED", "a", "7")].join("\n");
        answer(&mut server, "resourceVersion=5", 200, events).await;
        answer(&mut server, "resourceVersion=7", 200, event("BOOKMARK", "", "9")).await;
        // A line that is cut off.
        answer(&mut server, "resourceVersion=9", 200, r#"{"type": "ADD"#).await;
        answer(&mut server, "resourceVersion=9", 200, error(r#"{"code": 500}"#)).await;
        answer(&mut server, "resourceVersion=9", 504, "late").await;
        answer(&mut server, "resourceVersion=9", 200, event("MODIFIED", "b", "10")).await;
        answer(&mut server, "resourceVersion=10", 200, "").await;
    })
    .await;
    assert_eq!(seen, [&LISTED[..], &["Apply(b)", "Delete(a)", "Apply(b)"]].concat());
}

#[tokio::test(start_paused = true)]
async fn events_are_told_as_they_come_and_a_connection_that_breaks_loses_none() {
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        let (watch, body) = endless();
        answer_with(&mut server, "resourceVersion=5", 200, body).await;
        let added = event("ADDED", "b", "6");
        let (half, rest) = added.split_at(added.len() / 2);
        watch.send(Ok(half.to_owned())).unwrap();
        watch.send(Ok(format!("{rest}\n"))).unwrap();
        watch.send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
        answer(&mut server, "resourceVersion=6", 200, "").await;
    })
    .await;
    assert_eq!(seen, [&LISTED[..], &["Apply(b)"]].concat());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_gone_on_from_begins_with_a_list_again() {
    let no_version = r#"{"type": "ADDED", "object": {"metadata": {"name": "b"}}}"#.to_owned();
    let not_an_event = r#"{"type": "ADDED", "object": 7}"#.to_owned();
    let broken = [
        error(EXPIRED),
        no_version,
        event("DELETED", "a", ""),
        event("BOOKMARK", "", ""),
        not_an_event,
    ];
    let times = broken.len() + 2;
    let seen = seen_while(|mut server| async move {
        for answered in broken {
            answer(&mut server, "limit=500", 200, LIST).await;
            answer(&mut server, "resourceVersion=5", 200, answered).await;
        }
        answer(&mut server, "limit=500", 200, LIST).await;
        // Told instead of a watch.
        answer(&mut server, "resourceVersion=5", 410, EXPIRED).await;
        answer(&mut server, "limit=500", 200, LIST).await;
        answer(&mut server, "resourceVersion=5", 200, "").await;
    })
    .await;
    assert_eq!(seen, vec![LISTED; times].concat());
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_page_by_page_and_is_complete_only_with_the_last() {
    let first = r#"{"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}"#;
    let last = r#"{"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "b"}}]}"#;
    let no_version = r#"{"metadata": {}, "items": []}"#;
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, first).await;
        answer(&mut server, "continue=more", 500, "broken").await;
        answer(&mut server, "limit=500", 200, first).await;
        // The version of the first page is forgotten.
        answer(&mut server, "continue=more", 410, EXPIRED).await;
        answer(&mut server, "limit=500", 200, no_version).await;
        answer(&mut server, "limit=500", 200, first).await;
        answer(&mut server, "continue=more", 200, last).await;
        answer(&mut server, "resourceVersion=5", 200, "").await;
    })
    .await;
    let broken = ["Init", "InitApply(a)"];
    let again = ["Init", "InitApply(a)", "InitApply(b)", "InitDone"];
    assert_eq!(seen, [&broken[..], &broken, &["Init"], &again].concat());
}

#[tokio::test(start_paused = true)]
async fn whoever_refuses_or_ends_each_watch_is_asked_more_and_more_seldom() {
    let millis = [200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);
    seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        answer(&mut server, "resourceVersion=5", 200, "").await;
        for expected in millis {
            assert_eq!(pause(&mut server, "resourceVersion=5").await, expected);
        }
        answer(&mut server, "resourceVersion=5", 200, event("ADDED", "b", "6")).await;
        for expected in &millis[..3] {
            let begun = Instant::now();
            answer(&mut server, "resourceVersion=6", 200, "").await;
            assert_eq!(begun.elapsed(), *expected);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_silent_for_long_is_started_again_at_once() {
    seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        for _ in 0..5 {
            pause(&mut server, "resourceVersion=5").await;
        }
        let (watch, body) = endless();
        answer_with(&mut server, "resourceVersion=5", 200, body).await;
        sleep(Duration::from_mins(4)).await;
        drop(watch);
        assert_eq!(pause(&mut server, "resourceVersion=5").await, Duration::from_millis(200));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_half_an_hour_all_is_listed_again() {
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        for _ in 0..8 {
            let (watch, body) = endless();
            answer_with(&mut server, "resourceVersion=5", 200, body).await;
            sleep(Duration::from_mins(4)).await;
            drop(watch);
        }
        answer(&mut server, "limit=500", 200, LIST).await;
        answer(&mut server, "resourceVersion=5", 200, "").await;
    })
    .await;
    assert_eq!(seen, [LISTED; 2].concat());
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_which_nothing_is_heard_is_given_up_after_the_api_server_should_have_ended_it() {
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        let (watch, body) = endless();
        answer_with(&mut server, "timeoutSeconds=290", 200, body).await;
        sleep(Duration::from_mins(4)).await;
        watch.send(Ok(event("BOOKMARK", "", "8") + "\n")).unwrap();
        let begun = Instant::now();
        answer(&mut server, "resourceVersion=8", 200, "").await;
        assert!(begun.elapsed() > Duration::from_secs(290), "{:?}", begun.elapsed());
        assert!(watch.is_closed());
    })
    .await;
    assert_eq!(seen, LISTED);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_whoever_follows() {
    let (watch, body) = endless();
    let held = watch.clone();
    seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST).await;
        answer_with(&mut server, "allowWatchBookmarks=true", 200, body).await;
        sleep(Duration::from_mins(1)).await;
        assert!(!held.is_closed());
    })
    .await;
    assert!(watch.is_closed());
}
