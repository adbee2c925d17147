//! A bootstrap token of our own that lives for seconds and has no rights: whether the API server accepts
//! it as a credential, through the public endpoint.
//!
//! The manager's lasting token is for signing alone, so it cannot tell.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use kube::core::ObjectMeta;
use nagaya_api::labels;
use nagaya_pki::BootstrapToken;
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
    let secret = build_secret(&token, Timestamp::now());
    if let Err(error) = secrets.create(&PostParams::default(), &secret).await {
        return unmade(&error);
    }
    let finding = try_until_accepted(target, &token).await;
    // What is left behind ends by itself.
    let _ = secrets.delete(&secret_name(&token), &DeleteParams::default()).await;
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

fn secret_name(token: &BootstrapToken) -> String {
    format!("bootstrap-token-{}", token.id())
}

/// For authentication alone: no signature on cluster-info, and none of kubeadm's groups, so no rights.
fn build_secret(token: &BootstrapToken, now: Timestamp) -> Secret {
    let expiration = now.checked_add(LIFE).unwrap_or(now);
    let data = [
        ("token-id", token.id().to_owned()),
        ("token-secret", token.secret().to_owned()),
        ("expiration", expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ("usage-bootstrap-authentication", "true".to_owned()),
        ("description", "Nagaya tries whether bootstrap tokens are accepted".to_owned()),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(token)),
            labels: Some(BTreeMap::from([(
                labels::MANAGED_BY.to_owned(),
                labels::MANAGER.to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        type_: Some("bootstrap.kubernetes.io/token".to_owned()),
        string_data: Some(data.map(|(key, value)| (key.to_owned(), value)).into()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_ends_by_itself_signs_nothing_and_has_no_groups() {
        let token = BootstrapToken::generate().unwrap();
        let data = build_secret(&token, Timestamp::UNIX_EPOCH).string_data.unwrap();
        assert_eq!(data["expiration"], "1970-01-01T00:01:00Z");
        assert!(!data.contains_key("usage-bootstrap-signing"));
        assert!(!data.contains_key("auth-extra-groups"));
    }
}
