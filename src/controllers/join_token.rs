//! The controller of `JoinToken`: a token is issued once, lives as long as it says, and is gone afterwards.
//!
//! When it ends follows from the object alone (its creation and `spec.ttl`), so that no crash and no
//! GitOps tool can make it live longer.

mod attempt;
mod issue;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use nagaya_api::{JoinAttempt, JoinToken, JoinTokenState, JoinTokenStatus, TenantCluster, reasons};
use nagaya_render::join_token::{JoinTokenError, parse_ttl};
use tokio::sync::mpsc;

use super::places::Places;
use super::{Context, Plane};
use crate::keyring::READ_AGAIN;
use crate::kube_ops::{self, Backoff, patch_status};
use crate::tenant::{ShownToken, TenantKey};

const CONTROLLER: &str = "jointoken";
/// A cluster that is not there yet wakes its tokens when it comes; this is for what a watch missed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Why a pass over a `JoinToken` failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] kube_ops::Error),
    /// The token could not be rendered.
    #[error(transparent)]
    Render(#[from] JoinTokenError),
    /// No randomness.
    #[error("cannot make a token: {0}")]
    Random(#[from] nagaya_pki::Error),
    /// The Secret `NAME-join` is there and holds no token.
    #[error("Secret {0} holds no token; delete it and it is made anew")]
    TokenUnreadable(String),
    /// The object has no namespace, name, UID or creation time.
    #[error("the object has no namespace, name, UID or creation time")]
    ObjectIncomplete,
}

impl Error {
    /// The reason in conditions and metrics.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Call(_) => reasons::CALL,
            Self::Render(_) => reasons::RENDER,
            Self::Random(_) => reasons::RANDOM,
            Self::TokenUnreadable(_) => reasons::TOKEN_UNREADABLE,
            Self::ObjectIncomplete => reasons::OBJECT_INCOMPLETE,
        }
    }
}

/// What the controller shares with the others, and its own failures.
pub struct JoinTokens {
    context: Arc<Context>,
    places: Places<JoinToken>,
    backoff: Backoff<ObjectRef<JoinToken>>,
}

/// Runs until the manager stops. `shown`: tokens that a machine has news of.
pub async fn run(context: Arc<Context>, shown: mpsc::UnboundedReceiver<ShownToken>) {
    let client = context.manager.clients.projects.clone();
    let manager = &context.manager;
    // What is made for one is made within one pass.
    let places = Places::new(
        manager.config.manager.concurrent_reconciles,
        |_| false,
        manager.shutdown.clone(),
    );
    let controller =
        Controller::new(Api::<JoinToken>::all(client.clone()), watcher::Config::default());
    let (tokens, known, cache) = (controller.store(), controller.store(), controller.store());
    let shutdown = context.manager.shutdown.clone();
    let of_cluster = move |cluster: TenantCluster| {
        let (name, namespace) = (cluster.name_any(), cluster.namespace());
        let all = tokens.state();
        let its = all
            .iter()
            .filter(|token| token.spec.cluster_name == name && token.namespace() == namespace);
        its.map(|token| ObjectRef::from_obj(token.as_ref())).collect::<Vec<_>>()
    };
    let of_machines = attempt::in_rounds(shown).flat_map(move |round| {
        let shown = known.state().into_iter().filter(|token| round.has(token));
        stream::iter(shown.map(|token| ObjectRef::from_obj(token.as_ref())).collect::<Vec<_>>())
    });
    controller
        .watches(Api::<TenantCluster>::all(client), watcher::Config::default(), of_cluster)
        .reconcile_on(of_machines)
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        .run(
            move |token, shared: Arc<JoinTokens>| {
                let cache = cache.clone();
                async move {
                    let pass = |token| reconcile(token, Arc::clone(&shared));
                    shared.places.pass(&cache, token, pass).await
                }
            },
            on_error,
            Arc::new(JoinTokens { context, places, backoff: Backoff::default() }),
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(token: Arc<JoinToken>, shared: Arc<JoinTokens>) -> Result<Action, Error> {
    let started = Instant::now();
    let result = pass(&shared.context, &token, shared.context.now()).await;
    let failure = result.as_ref().err().map(Error::reason);
    shared.context.manager.metrics.reconciled(CONTROLLER, started.elapsed(), failure);
    if result.is_ok() {
        shared.backoff.forget(&ObjectRef::from_obj(token.as_ref()));
    }
    result
}

#[allow(clippy::needless_pass_by_value)]
fn on_error(token: Arc<JoinToken>, error: &Error, shared: Arc<JoinTokens>) -> Action {
    let reference = ObjectRef::from_obj(token.as_ref());
    let reason = error.reason();
    tracing::warn!(token = %reference, reason, error = %error, "a pass over a JoinToken failed");
    Action::requeue(shared.backoff.failed(reference))
}

/// Where in its life the token is, and what that asks for.
enum Phase {
    /// Its end is waited for.
    Deleted,
    Expired,
    NoCluster,
    WaitingFor(String),
    Live(TenantKey, Arc<Plane>),
}

async fn pass(context: &Context, token: &JoinToken, now: Timestamp) -> Result<Action, Error> {
    let expires = expiration(token)?;
    let phase = phase(context, token, expires, now).await?;
    let (outcome, next) = match &phase {
        Phase::Deleted => match issue::revoke(context, token, now >= expires).await {
            // It is gone. An API server that said so by mistake is asked again, and nobody else would ever come back here.
            Ok(true) => return Ok(Action::requeue(LOOK_AGAIN)),
            waits => (waits.map(|_| None), Some(LOOK_AGAIN)),
        },
        Phase::Expired => (issue::withdraw(context, token).await.map(|()| None), None),
        // A cluster that is made again under the name is another one: the old token is of no use to it.
        Phase::NoCluster => {
            (issue::withdraw(context, token).await.map(|()| None), Some(LOOK_AGAIN))
        }
        Phase::WaitingFor(_) => (Ok(None), Some(LOOK_AGAIN)),
        Phase::Live(_, plane) => {
            let left = expires.duration_since(now).try_into().unwrap_or(LOOK_AGAIN);
            let next = READ_AGAIN.min(left);
            (issue::issue(context, token, plane, expires).await.map(Some), Some(next))
        }
    };
    let all = Api::<JoinToken>::namespaced(
        context.manager.clients.projects.clone(),
        &token.namespace().unwrap_or_default(),
    );
    let mut status = status::compute_status(token, &phase, &outcome, expires, now);
    let seen = last_attempt(context, &phase, &status);
    let (told, more) = attempt::tell(status.last_attempt.take(), seen, now);
    status.last_attempt = told;
    patch_status(&all, token, &status).await?;
    outcome?;
    let next = next.into_iter().chain(more).min();
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

fn last_attempt(context: &Context, phase: &Phase, status: &JoinTokenStatus) -> Option<JoinAttempt> {
    let (Phase::Live(tenant, _), Some(token_id)) = (phase, &status.token_id) else { return None };
    context.watches.last_attempt(tenant, token_id)
}

fn expiration(token: &JoinToken) -> Result<Timestamp, Error> {
    let created = token.meta().creation_timestamp.as_ref().ok_or(Error::ObjectIncomplete)?;
    Ok(created.0 + parse_ttl(&token.spec.ttl)?)
}

async fn phase(
    context: &Context,
    token: &JoinToken,
    expires: Timestamp,
    now: Timestamp,
) -> Result<Phase, Error> {
    if token.meta().deletion_timestamp.is_some() {
        return Ok(Phase::Deleted);
    }
    let ended =
        token.status.as_ref().and_then(|status| status.state) == Some(JoinTokenState::Expired);
    if ended || now >= expires {
        return Ok(Phase::Expired);
    }
    let project = token.namespace().ok_or(Error::ObjectIncomplete)?;
    if !context.caches.project_enabled(&project) {
        return Ok(Phase::WaitingFor(format!(
            "waiting for the operator to enable namespace {project} for Nagaya"
        )));
    }
    let name = &token.spec.cluster_name;
    Ok(match plane_of(context, token).await? {
        Found::Plane(key, plane) => Phase::Live(key, plane),
        Found::NotYet => {
            Phase::WaitingFor(format!("waiting for the API server of TenantCluster {name}"))
        }
        Found::NoCluster => Phase::NoCluster,
    })
}

/// The control plane that a token is for.
pub(crate) enum Found {
    Plane(TenantKey, Arc<Plane>),
    NotYet,
    NoCluster,
}

async fn plane_of(context: &Context, token: &JoinToken) -> Result<Found, Error> {
    let namespace = token.namespace().ok_or(Error::ObjectIncomplete)?;
    let all =
        Api::<TenantCluster>::namespaced(context.manager.clients.projects.clone(), &namespace);
    let Some(cluster) = kube_ops::get(&all, &token.spec.cluster_name).await? else {
        return Ok(Found::NoCluster);
    };
    let key = TenantKey {
        namespace,
        name: cluster.name_any(),
        uid: cluster.uid().ok_or(Error::ObjectIncomplete)?,
    };
    let ready_for_tokens = context.content.state(&key)
        == nagaya_render::status::ContentState::Applied
        || cluster.spec.paused;
    // One that swallows packets would hold this pass up for as long as a call may take.
    let answers = context.prober.store().get(&key).is_none_or(|seen| !seen.report.unreachable());
    Ok(match context.planes.get(&key).filter(|_| ready_for_tokens && answers) {
        Some(plane) => Found::Plane(key, plane),
        None if cluster.meta().deletion_timestamp.is_some() => Found::NoCluster,
        None => Found::NotYet,
    })
}
