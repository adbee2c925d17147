//! Following against a scripted API server.

use std::sync::Mutex;

use http::Response;
use kube::client::Body;
use tower_test::mock;

use super::*;

type Server = mock::Handle<http::Request<Body>, Response<Body>>;

const LIST: &str =
    r#"{"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]}"#;

fn event(kind: &str, name: &str, version: &str) -> String {
    let metadata = format!(r#"{{"name": "{name}", "resourceVersion": "{version}"}}"#);
    let object = format!(r#"{{"apiVersion": "v1", "kind": "Node", "metadata": {metadata}}}"#);
    format!(r#"{{"type": "{kind}", "object": {object}}}"#)
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
    let following = follow(&followed, |event| seen.lock().unwrap().push(event.to_string()));
    tokio::select! {
        () = following => unreachable!("it never ends"),
        () = script(server) => {}
    }
    seen.into_inner().unwrap()
}

/// Expects a request whose query has `part` in it.
async fn answer(server: &mut Server, part: &str, status: u16, body: String) {
    let (request, answer) = server.next_request().await.expect("a request");
    let uri = request.uri().to_string();
    assert!(uri.contains(part) && uri.contains("labelSelector=a%3Db"), "{uri}");
    let accepted = request.headers()[http::header::ACCEPT].to_str().unwrap();
    assert!(accepted.contains("as=PartialObjectMetadata"), "{accepted}");
    answer.send_response(
        Response::builder().status(status).body(Body::from(body.into_bytes())).unwrap(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_what_was_seen_last() {
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST.to_owned()).await;
        let events = [event("ADDED", "b", "6"), event("DELETED", "a", "7")].join("\n");
        answer(&mut server, "resourceVersion=5", 200, events).await;
        answer(&mut server, "resourceVersion=7", 200, event("BOOKMARK", "", "9")).await;
        answer(&mut server, "resourceVersion=9", 200, "{".to_owned()).await;
        answer(&mut server, "resourceVersion=9", 200, String::new()).await;
    })
    .await;
    assert_eq!(seen, ["Init", "InitApply(a)", "InitDone", "Apply(b)", "Delete(a)"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_api_server_forgot_begins_with_a_list_again() {
    let gone = r#"{"kind": "Status", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}"#;
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, LIST.to_owned()).await;
        // Told within the watch, or instead of it.
        let within = format!(r#"{{"type": "ERROR", "object": {gone}}}"#);
        answer(&mut server, "resourceVersion=5", 200, within).await;
        answer(&mut server, "limit=500", 200, LIST.to_owned()).await;
        answer(&mut server, "resourceVersion=5", 410, gone.to_owned()).await;
        answer(&mut server, "limit=500", 200, LIST.to_owned()).await;
        answer(&mut server, "resourceVersion=5", 200, String::new()).await;
    })
    .await;
    let once = ["Init", "InitApply(a)", "InitDone"];
    assert_eq!(seen, [once, once, once].concat());
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_page_by_page_and_is_complete_only_with_the_last() {
    let first = r#"{"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}"#;
    let last = r#"{"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "b"}}]}"#;
    let seen = seen_while(|mut server| async move {
        answer(&mut server, "limit=500", 200, first.to_owned()).await;
        answer(&mut server, "continue=more", 500, "broken".to_owned()).await;
        answer(&mut server, "limit=500", 200, first.to_owned()).await;
        answer(&mut server, "continue=more", 200, last.to_owned()).await;
        answer(&mut server, "resourceVersion=5", 200, String::new()).await;
    })
    .await;
    let again = ["Init", "InitApply(a)", "InitApply(b)", "InitDone"];
    assert_eq!(seen, [&["Init", "InitApply(a)"][..], &again].concat());
}
