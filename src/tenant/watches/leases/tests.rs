//! How much is read of a large cluster.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// A cluster of which each page holds one object; remembers how many were asked for.
#[derive(Clone, Default)]
struct Paged(Arc<Mutex<(Vec<Value>, usize)>>);

impl Paged {
    fn of(objects: Vec<Value>) -> Self {
        Self(Arc::new(Mutex::new((objects, 0))))
    }

    fn client(&self) -> Client {
        let pages = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = pages.answer(request.uri().query().unwrap_or_default());
            async move { Ok::<_, Infallible>(answer) }
        });
        Client::new(service, "default")
    }

    fn answer(&self, query: &str) -> Response<Body> {
        let mut inner = self.0.lock().unwrap();
        inner.1 += 1;
        let next = query.split('&').find_map(|pair| pair.strip_prefix("continue="));
        let number: usize = next.map_or(0, |token| token.parse().unwrap());
        let last = number + 1 == inner.0.len();
        let token = if last { String::new() } else { (number + 1).to_string() };
        let page = json!({
            "metadata": {"resourceVersion": "100", "continue": token}, "items": [inner.0[number]],
        });
        Response::new(Body::from(page.to_string().into_bytes()))
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

fn lease(version: u32, seconds: u32) -> Value {
    json!({
        "metadata": {"name": "node", "resourceVersion": version.to_string()},
        "spec": {"leaseDurationSeconds": seconds},
    })
}

fn node(ready: &str) -> Value {
    json!({"metadata": {"name": "node"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
}

async fn read_of(leases: &Leases, versions: [u32; 3]) -> (Look, usize) {
    let pages = Paged::of(versions.iter().map(|version| lease(*version, 60)).collect());
    let look = read(&Api::namespaced(pages.client(), NAMESPACE), leases).await.unwrap();
    (look, pages.asked())
}

#[tokio::test]
async fn pages_are_read_until_one_holds_a_node_that_renews() {
    let leases = Leases::default();
    let first =
        Look { at: Duration::ZERO, version: 50, newest: Some(50), patience: Duration::ZERO };
    leases.lock().pulse.take(first);
    for (versions, newest, asked) in [([51, 7, 8], 51, 1), ([7, 51, 8], 51, 2), ([7, 8, 9], 9, 3)] {
        let (look, pages) = read_of(&leases, versions).await;
        assert_eq!((look.version, look.newest, pages), (100, Some(newest), asked));
        assert_eq!(look.patience, Duration::from_secs(30));
    }
}

#[tokio::test]
async fn nodes_are_counted_no_further_than_matters() {
    for (ready, count, asked) in [
        (["True", "True", "True"], 2, 2),
        (["Unknown", "True", "True"], 2, 3),
        (["Unknown", "True", "False"], 1, 3),
    ] {
        let pages = Paged::of(ready.iter().map(|ready| node(ready)).collect());
        let counted = count_ready(&Api::all(pages.client())).await.unwrap();
        assert_eq!((counted, pages.asked()), (count, asked));
    }
}
