//! A bootstrap token of our own that lives for seconds and has no rights: whether the API server accepts
//! it as a credential, through the public endpoint.
//!
//! The manager's lasting token is for signing alone, so it cannot tell.

use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use nagaya_pki::BootstrapToken;
use nagaya_render::join_token::{bootstrap_token_secret_name, build_token_secret_without_rights};
use nagaya_render::probe::{Finding, Reason};
use tokio::time::{Instant, sleep, timeout};

use super::super::ProbeTarget;
use super::super::public_endpoint::{EndpointError, call, timed_out};

/// The API server learns of a new token through a watch of its own.
const DEADLINE: Duration = Duration::from_secs(5);
const CALL_DEADLINE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// Should the manager stop in between, kube-controller-manager's tokencleaner takes it away.
const LIFE: SignedDuration = SignedDuration::from_mins(1);
const DESCRIPTION: &str = "Nagaya tries whether bootstrap tokens are accepted";
const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Whether bootstrap tokens are accepted.
pub(super) async fn is_accepted(target: &ProbeTarget) -> Finding {
    let secrets: Api<Secret> = Api::namespaced(target.client.clone(), "kube-system");
    let unmade = |error: &dyn std::fmt::Display| {
        tracing::debug!(tenant = %target.tenant, %error, "the canary's bootstrap token could not be made");
        Finding::failed(
            Reason::AdminConnectionFailed,
            "no bootstrap token could be made to try with",
        )
    };
    let token = match BootstrapToken::generate() {
        Ok(token) => token,
        Err(error) => return unmade(&error),
    };
    let now = Timestamp::now();
    let expiration = now.checked_add(LIFE).unwrap_or(now);
    let secret = build_token_secret_without_rights(&token, expiration, DESCRIPTION);
    if let Err(error) = secrets.create(&PostParams::default(), &secret).await {
        return unmade(&error);
    }
    let finding = try_until_accepted(target, &token).await;
    // What is left behind ends by itself.
    let _ =
        secrets.delete(&bootstrap_token_secret_name(token.id()), &DeleteParams::default()).await;
    finding
}

async fn try_until_accepted(target: &ProbeTarget, token: &BootstrapToken) -> Finding {
    let started = Instant::now();
    loop {
        let answer = match build_question(token) {
            Ok(question) => timeout(CALL_DEADLINE, call(target, question)).await,
            Err(error) => Ok(Err(EndpointError::Http(error.into()))),
        };
        let finding = match answer {
            // Any other answer than this comes after authentication.
            Ok(Ok((StatusCode::UNAUTHORIZED, _))) => Finding::failed(
                Reason::TokenRefused,
                "kube-apiserver refuses bootstrap tokens: its flag --enable-bootstrap-token-auth is missing",
            ),
            Ok(Ok((status, _))) if status.is_server_error() => Finding::failed(
                Reason::EndpointUnhealthy,
                format!("kube-apiserver answers {status} to a bootstrap token"),
            ),
            Ok(Ok(_)) => return Finding::Ok,
            Ok(Err(error)) => error.finding(target),
            Err(_) => timed_out(target),
        };
        if started.elapsed() >= DEADLINE {
            return finding;
        }
        sleep(PAUSE).await;
    }
}

fn build_question(token: &BootstrapToken) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))?;
    bearer.set_sensitive(true);
    let body = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    Request::post(WHO_AM_I)
        .header(header::AUTHORIZATION, bearer)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(Full::from(body))
}
