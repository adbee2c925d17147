//! Refuses writes of a manager that does not lead, below everything that could decide to write.
//!
//! A process that was stopped, or whose machine was, goes on in the middle of whatever it did, and a new
//! leader may be at work by then. What was on its way already is caught by UID and resourceVersion.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::TryFutureExt;
use futures::future::{Either, MapErr};
use http::{Method, Request};
use tower::{BoxError, Layer, Service};

use super::{LEASE, Term};

/// A write that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this manager does not hold the Lease {LEASE} (any more), and writes nothing")]
pub struct WriteRefused;

/// Groups whose POSTs are questions, and the one of the Lease itself: it is what a term comes from.
const FREE: [&str; 3] =
    ["/apis/authentication.k8s.io/", "/apis/authorization.k8s.io/", "/apis/coordination.k8s.io/"];

/// Layer for a client's service stack.
#[derive(Clone, Debug)]
pub struct Fence {
    term: Term,
}

impl Fence {
    /// Lets writes through for as long as `term` is on.
    #[must_use]
    pub const fn new(term: Term) -> Self {
        Self { term }
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), WriteRefused> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let free = || FREE.iter().any(|group| request.uri().path().starts_with(group));
        if reads || self.term.is_on() || free() { Ok(()) } else { Err(WriteRefused) }
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fenced { inner, fence: self.clone() }
    }
}

/// A service behind the fence.
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future =
        Either<Ready<Result<S::Response, BoxError>>, MapErr<S::Future, fn(S::Error) -> BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.fence.check(&request) {
            Ok(()) => Either::Right(
                self.inner.call(request).map_err(Into::into as fn(S::Error) -> BoxError),
            ),
            Err(refused) => Either::Left(ready(Err(refused.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::boot_clock;
    use super::*;

    fn passes(fence: &Fence, method: Method, path: &str) -> bool {
        fence.check(&Request::builder().method(method).uri(path).body(()).unwrap()).is_ok()
    }

    #[test]
    fn without_a_term_only_reads_questions_and_the_lease_pass() {
        let term = Term::new(boot_clock());
        let fence = Fence::new(term.clone());
        let pods = "/api/v1/namespaces/acme/pods";
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        assert!(passes(&fence, Method::GET, pods));
        for method in writes.clone() {
            assert!(!passes(&fence, method.clone(), pods), "{method}");
            let leases = "/apis/coordination.k8s.io/v1/namespaces/nagaya-system/leases/nagaya";
            assert!(passes(&fence, method, leases));
        }
        for review in [
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        ] {
            assert!(passes(&fence, Method::POST, review), "{review}");
        }
        term.renewed(term.now());
        assert!(writes.into_iter().all(|method| passes(&fence, method, pods)));
    }
}
