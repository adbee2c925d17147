//! What the gateway refuses, for the condition `ConnectionsLimited`: each of its pods is asked now and then, once for all
//! tenants. [Why so](../docs/adr/0039-the-manager-asks-the-gateways-pods-whom-they-refuse.md).
//!
//! | what | file |
//! |---|---|
//! | who is told what, and for how long | `board.rs` |
//! | one question | `ask.rs` |

mod ask;
mod board;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{join_all, pending};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use nagaya_api::{LimitedRoutes, TenantCluster, labels};
use nagaya_render::limited::Limit;
use nagaya_render::status::Verdict;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout};

use board::{Board, Heard};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::tenant::{Dial, TenantKey, Wakeups};

/// Between two rounds of questions. The gateway tells of a refusal for a minute.
const PAUSE: Duration = Duration::from_secs(10);
/// For each question: a pod that does not answer by then has nothing to say, and the others are heard.
const PATIENCE: Duration = Duration::from_secs(5);
/// More pods than that are not asked.
const MOST_PODS: usize = 64;
/// The longest name of a pod that is repeated (RFC 1123).
const LONGEST_NAME: usize = 63;

/// Who is limited.
pub struct GatewayLimits {
    /// Where the gateway's pods are, by a name in DNS; `None`: there is no gateway.
    pods: Option<String>,
    board: Mutex<Board>,
    wakeups: Wakeups,
}

impl GatewayLimits {
    /// Nobody yet. Whoever becomes limited, or is no longer, is woken through `wakeups`.
    #[must_use]
    pub fn new(config: &Config, wakeups: Wakeups) -> Self {
        let pods = &config.manager.gateway_pods;
        let is_there = config.render.gateway.domain.is_some() && !pods.is_empty();
        Self { pods: is_there.then(|| pods.clone()), board: Mutex::default(), wakeups }
    }

    /// What is said of a tenant, of which `before` was said by the last pass.
    #[must_use]
    pub fn of(&self, tenant: &TenantKey, before: Option<&Condition>) -> Option<Verdict> {
        self.pods.as_ref()?;
        self.board().of(&tenant.object_ref(), before, Instant::now())
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &TenantKey) {
        self.board().forget(&tenant.object_ref());
    }

    /// Asks until it is dropped, if there is anybody to ask.
    pub async fn follow(
        &self,
        dial: &dyn Dial,
        planes: &Store<Namespace>,
        metrics: &Metrics,
    ) -> Infallible {
        let Some(pods) = &self.pods else { return pending().await };
        let mut silent = false;
        loop {
            let answers = ask_all(dial, find(pods).await).await;
            metrics.gateway_answers(pods, answers.len());
            if answers.is_empty() != silent {
                silent = answers.is_empty();
                tell_of_silence(pods, silent);
            }
            let heard = whose(answers, planes);
            let changed = self.board().hear(heard, Instant::now());
            for tenant in changed {
                self.wakeups.wake_object(tenant);
            }
            sleep(PAUSE).await;
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_of_silence(pods: &str, silent: bool) {
    if silent {
        tracing::warn!(
            pods,
            "no pod of the gateway says whom it refuses: ConnectionsLimited of TenantClusters says nothing; look at the \
             configuration key gatewayPods, and at NetworkPolicies"
        );
    } else {
        tracing::info!(pods, "the gateway's pods say whom they refuse");
    }
}

async fn find(pods: &str) -> BTreeSet<SocketAddr> {
    match in_time(lookup_host(pods)).await {
        Ok(found) => found.take(MOST_PODS).collect(),
        Err(error) => {
            tracing::debug!(pods, %error, "the gateway's pods are not found");
            BTreeSet::new()
        }
    }
}

/// The answers of all pods that give one.
async fn ask_all(dial: &dyn Dial, pods: BTreeSet<SocketAddr>) -> Vec<(IpAddr, LimitedRoutes)> {
    let asked = pods.into_iter().map(|pod| async move {
        match in_time(ask::ask(dial, pod)).await {
            Ok(answer) => Some((pod.ip(), answer)),
            Err(error) => {
                tracing::debug!(%pod, %error, "a pod of the gateway does not say whom it refuses");
                None
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn in_time<T, E: Into<ask::Failure>>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, ask::Failure> {
    timeout(PATIENCE, question).await?.map_err(Into::into)
}

/// By tenant. A namespace that is no control plane is nobody's, whatever a gateway says.
fn whose(
    answers: Vec<(IpAddr, LimitedRoutes)>,
    planes: &Store<Namespace>,
) -> HashMap<ObjectRef<TenantCluster>, Heard> {
    let mut heard = HashMap::<_, Heard>::new();
    for (address, LimitedRoutes { gateway, limited }) in answers {
        let gateway = if is_name(&gateway) { gateway } else { address.to_string() };
        for route in limited {
            let plane = planes.get(&ObjectRef::new(&route.namespace));
            let tenant = plane.as_deref().and_then(tenant_of);
            let limit = Limit::of(&route.reason, &route.service);
            let (Some(tenant), Some(limit)) = (tenant, limit) else { continue };
            let of_tenant = heard.entry(tenant).or_insert_with(|| Heard::in_plane(route.namespace));
            let met = of_tenant.limits.entry(limit).or_default();
            met.most = met.most.max(route.most);
            met.gateways.insert(gateway.clone());
        }
    }
    heard
}

fn tenant_of(plane: &Namespace) -> Option<ObjectRef<TenantCluster>> {
    let labels = plane.labels();
    let (name, project) = (labels.get(labels::TENANT_NAME)?, labels.get(labels::TENANT_NAMESPACE)?);
    Some(ObjectRef::new(name).within(project))
}

/// What a gateway says is shown to people: words of its own are not.
fn is_name(text: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_of_a_name)
}

#[cfg(test)]
mod tests;
