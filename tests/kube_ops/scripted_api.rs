//! An API server that gives the answers of a script, and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `PATCH /api/v1/…`, without the query.
    pub what: String,
    pub query: String,
    pub body: Value,
}

/// The client is given away, the script stays.
#[derive(Clone, Default)]
pub struct ScriptedApi {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ScriptedApi {
    /// Answers in this order; an unexpected request gets a 500.
    pub fn answering(answers: &[(u16, Value)]) -> Self {
        let api = Self::default();
        api.answers.lock().unwrap().extend(answers.iter().cloned());
        api
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "default")
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.asked.lock().unwrap().push(Asked {
            what: format!("{} {}", head.method, head.uri.path()),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        let unexpected = || (500, refusal(500, "Unscripted"));
        let (status, answer) = self.answers.lock().unwrap().pop_front().unwrap_or_else(unexpected);
        Response::builder()
            .status(status)
            .body(Body::from(answer.to_string().into_bytes()))
            .unwrap()
    }
}

/// A refusal as kube-apiserver words it.
pub fn refusal(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    })
}
