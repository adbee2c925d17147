//! Counts the requests of a Kubernetes client by verb and resource: what a tenant costs the API server.

use std::fmt::Write as _;
use std::task::{Context, Poll};

use http::{Method, Request, Uri};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tower::{Layer, Service};

/// `nagaya_api_requests_total`.
pub type ApiRequests = Family<RequestLabels, Counter>;

/// Labels of [`ApiRequests`]. None of them names an object, so their number is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Which API server.
    pub side: Side,
    /// As in RBAC: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: &'static str,
    /// Plural, with the subresource: `tenantclusters/status`. Empty for paths that are no resource.
    pub resource: String,
}

/// Whose API server a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where `TenantCluster`s are.
    Projects,
    /// Where control planes run.
    Planes,
}

impl EncodeLabelValue for Side {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Projects => "projects",
            Self::Planes => "planes",
        })
    }
}

/// Layer for a client's service stack. Retries below it are not counted apart.
#[derive(Clone, Debug)]
pub struct CountRequests {
    side: Side,
    requests: ApiRequests,
}

impl CountRequests {
    /// Counts into `requests`, labelled `side`.
    #[must_use]
    pub const fn new(side: Side, requests: ApiRequests) -> Self {
        Self { side, requests }
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counted { inner, layer: self.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    layer: CountRequests,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let CountRequests { side, requests } = &self.layer;
        let (verb, resource) = verb_and_resource(request.method(), request.uri());
        requests.get_or_create(&RequestLabels { side: *side, verb, resource }).inc();
        self.inner.call(request)
    }
}

/// The verb and resource that RBAC would see (apiserver's `requestinfo.go`).
fn verb_and_resource(method: &Method, uri: &Uri) -> (&'static str, String) {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    match segments.next() {
        Some("api") => drop(segments.next()),
        Some("apis") => drop((segments.next(), segments.next())),
        _ => return (verb_of(method, uri, true), String::new()),
    }
    let path: Vec<&str> = segments.collect();
    let path = match path.as_slice() {
        ["namespaces", _, resource, rest @ ..] if !is_namespace_subresource(resource) => {
            (*resource, rest)
        }
        [resource, rest @ ..] => (*resource, rest),
        [] => ("", [].as_slice()),
    };
    let (resource, named) = match path {
        (resource, [_, subresource, ..]) => (format!("{resource}/{subresource}"), true),
        (resource, rest) => (resource.to_owned(), !rest.is_empty()),
    };
    (verb_of(method, uri, named), resource)
}

fn is_namespace_subresource(segment: &str) -> bool {
    matches!(segment, "status" | "finalize")
}

fn verb_of(method: &Method, uri: &Uri, named: bool) -> &'static str {
    let is_watch = || {
        uri.query().into_iter().flat_map(|query| query.split('&')).any(|pair| {
            matches!(pair.split_once('='), Some(("watch", value)) if value != "false" && value != "0")
        })
    };
    match (method.as_str(), named) {
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ if is_watch() => "watch",
        (_, true) => "get",
        (_, false) => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, uri: &str) -> (&'static str, String) {
        verb_and_resource(method, &uri.parse().unwrap())
    }

    #[test]
    fn verbs_and_resources_are_those_of_rbac() {
        let tnc = "/apis/nagaya.dev/v1alpha1/namespaces/acme/tenantclusters";
        let cases = [
            (Method::GET, "/api/v1/namespaces/acme/secrets/demo", "get", "secrets"),
            (Method::GET, "/api/v1/namespaces/acme/secrets", "list", "secrets"),
            (Method::GET, "/api/v1/pods?watch=true&labelSelector=a", "watch", "pods"),
            (Method::GET, "/api/v1/pods?watch=false", "list", "pods"),
            (Method::POST, "/apis/apps/v1/namespaces/p/deployments", "create", "deployments"),
            (Method::DELETE, "/api/v1/namespaces/p", "delete", "namespaces"),
            (Method::PUT, "/api/v1/namespaces/p/finalize", "update", "namespaces/finalize"),
            (Method::DELETE, "/api/v1/namespaces/p/pods", "deletecollection", "pods"),
            (Method::GET, "/livez", "get", ""),
        ];
        for (method, uri, verb, resource) in cases {
            assert_eq!(of(&method, uri), (verb, resource.to_owned()), "{uri}");
        }
        let status = format!("{tnc}/demo/status");
        assert_eq!(of(&Method::PATCH, &status), ("patch", "tenantclusters/status".to_owned()));
    }
}
