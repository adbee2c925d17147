//! etcd's API as JSON over HTTP: the gateway that every member serves beside gRPC
//! (<https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/>).
//!
//! Not the crate `etcd-client`: its member list cannot be asked for linearizably, and a list that a member read from
//! its own memory must decide nothing.

mod answers;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use nagaya_render::membership::{EtcdView, Member, Step, ordinal_of};
use nagaya_render::plane::names;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::answers::{Alarms, ListedMember, MemberList, MemberStatus};
use super::{Error, EtcdAccess, Etcds, Look};
use crate::tenant::{ClientCertificate, client_config};

/// A member that takes longer is no help.
const DEADLINE: Duration = Duration::from_secs(3);
/// A database is gone through, or written anew. kubelet ends a member that answers nothing for 80 to 95 s.
const WORK: Duration = Duration::from_secs(100);
const NOSPACE: &str = "NOSPACE";
/// Member lists and states are small.
const LARGEST_ANSWER: usize = 1 << 20;

/// The [`Etcds`] of the management cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveEtcds;

impl Etcds for LiveEtcds {
    fn look<'a>(
        &'a self,
        access: &'a EtcdAccess,
        ordinals: &'a [u8],
    ) -> BoxFuture<'a, Result<Look, Error>> {
        Box::pin(async move { Ok(EtcdClient::new(access)?.look(ordinals).await) })
    }

    fn take<'a>(
        &'a self,
        access: &'a EtcdAccess,
        through: u8,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { EtcdClient::new(access)?.take(through, step).await })
    }
}

/// Talks to the members of one etcd. Connects on first use, a connection per member.
pub struct EtcdClient {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    namespace: String,
}

impl EtcdClient {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub fn new(access: &EtcdAccess) -> Result<Self, Error> {
        let identity =
            ClientCertificate { certificate_pem: &access.cert_pem, key_pem: &access.key_pem };
        let config = client_config(&access.ca_pem, Some(identity))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, namespace: access.namespace.clone() })
    }

    /// Asks everyone in `ordinals`, and whoever else they call a member.
    pub async fn look(&self, ordinals: &[u8]) -> Look {
        let mut states = self.states(ordinals).await;
        let clusters: BTreeSet<u64> =
            states.iter().map(|(_, state)| state.header.cluster_id).collect();
        // Two clusters under one name, such as after a volume of another time came back: neither decides.
        let listed = if clusters.len() > 1 { None } else { self.list(&states).await };
        let Some(listed) = listed else {
            let answering = states.iter().map(|(ordinal, _)| *ordinal).collect();
            return look_at(EtcdView::NoQuorum { answering }, &states);
        };
        let members: Vec<(u64, Option<u8>, bool)> = listed
            .iter()
            .map(|member| (member.id, ordinal(member, &self.namespace), member.learner))
            .collect();
        let unasked: Vec<u8> = members
            .iter()
            .filter_map(|(_, ordinal, _)| *ordinal)
            .filter(|ordinal| !ordinals.contains(ordinal))
            .collect();
        states.extend(self.states(&unasked).await);
        // Who is none any more may still be about to end.
        states.retain(|(_, state)| members.iter().any(|(id, ..)| *id == state.header.member_id));
        let leader = states.iter().find_map(|(_, state)| Some(state.leader).filter(|id| *id != 0));
        let member = |(id, ordinal, learner)| Member {
            id,
            ordinal,
            learner,
            // Whoever answers under its name may still be the one before it.
            healthy: states
                .iter()
                .any(|(_, state)| state.header.member_id == id && state.is_healthy()),
            leader: leader == Some(id),
        };
        look_at(EtcdView::Quorum(members.into_iter().map(member).collect()), &states)
    }

    /// Takes a step through a member: a learner is promoted once it has caught up, leadership is given away only by the
    /// leader, a member ends by itself when it hears that it was removed, and it defragments only itself.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn take(&self, through: u8, step: &Step) -> Result<(), Error> {
        let (path, request) = match step {
            Step::Rest | Step::Wait(_) | Step::Pause | Step::Full => return Ok(()),
            Step::AddLearner { ordinal } => {
                let url = names::etcd_peer_url(&self.namespace, *ordinal);
                ("cluster/member/add", json!({"peerURLs": [url], "isLearner": true}))
            }
            Step::Promote { id, .. } => ("cluster/member/promote", json!({"ID": id.to_string()})),
            Step::MoveLeader { id, .. } => {
                ("maintenance/transfer-leadership", json!({"targetID": id.to_string()}))
            }
            Step::Remove { id, .. } => ("cluster/member/remove", json!({"ID": id.to_string()})),
            Step::Compact { revision } => return self.compact(through, *revision).await,
            Step::Defragment { .. } => {
                let path = "maintenance/defragment";
                return self.call_within::<Value>(WORK, through, path, &json!({})).await.map(drop);
            }
            Step::Disarm => return self.disarm(through).await,
        };
        self.call::<Value>(through, path, &request).await.map(drop)
    }

    /// What another compaction has taken away is no failure.
    async fn compact(&self, through: u8, revision: u64) -> Result<(), Error> {
        let request = json!({"revision": revision.to_string(), "physical": true});
        match self.call_within::<Value>(WORK, through, "kv/compaction", &request).await {
            Err(Error::Refused { message, .. }) if message.contains("has been compacted") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The alarm has the name of the member that raised it, which may be gone.
    async fn disarm(&self, through: u8) -> Result<(), Error> {
        let path = "maintenance/alarm";
        let raised: Alarms = self.call(through, path, &json!({"action": "GET"})).await?;
        for alarm in raised.alarms.iter().filter(|alarm| alarm.kind == NOSPACE) {
            let member = alarm.member.to_string();
            let request = json!({"action": "DEACTIVATE", "memberID": member, "alarm": NOSPACE});
            self.call::<Value>(through, path, &request).await?;
        }
        Ok(())
    }

    async fn states(&self, ordinals: &[u8]) -> Vec<(u8, MemberStatus)> {
        let state = |ordinal: &u8| {
            let ordinal = *ordinal;
            async move {
                let state = self.call(ordinal, "maintenance/status", &json!({})).await;
                Some((ordinal, state.ok()?))
            }
        };
        join_all(ordinals.iter().map(state)).await.into_iter().flatten().collect()
    }

    /// `None`: nobody answers.
    async fn list(&self, states: &[(u8, MemberStatus)]) -> Option<Vec<ListedMember>> {
        for (ordinal, _) in states.iter().filter(|(_, state)| state.is_healthy()) {
            let request = list_request();
            match self.call::<MemberList>(*ordinal, "cluster/member/list", &request).await {
                Ok(list) => return Some(list.members),
                Err(error) => tracing::debug!(%error, "no member list"),
            }
        }
        None
    }

    async fn call<T: DeserializeOwned>(
        &self,
        ordinal: u8,
        path: &str,
        request: &Value,
    ) -> Result<T, Error> {
        self.call_within(DEADLINE, ordinal, path, request).await
    }

    async fn call_within<T: DeserializeOwned>(
        &self,
        deadline: Duration,
        ordinal: u8,
        path: &str,
        request: &Value,
    ) -> Result<T, Error> {
        let member = || format!("etcd-{ordinal} in {}", self.namespace);
        let url = format!("{}/v3/{path}", names::etcd_client_url(&self.namespace, ordinal));
        let answer = timeout(deadline, self.send(&url, request)).await;
        let unreachable = |why: String| Error::Unreachable { member: member(), why };
        let (status, body) = answer
            .map_err(|_| unreachable(format!("nothing within {} s", deadline.as_secs())))?
            .map_err(|error| unreachable(in_full(error.as_ref())))?;
        if status != StatusCode::OK {
            return Err(Error::Refused { member: member(), message: message(&body) });
        }
        serde_json::from_slice(&body).map_err(|error| unreachable(error.to_string()))
    }

    async fn send(&self, url: &str, request: &Value) -> Result<(StatusCode, Bytes), BoxError> {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(request.to_string()))?;
        let (parts, body) = self.http.request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok((parts.status, body))
    }
}

/// Linearizable: a member that is cut off from the others does not answer.
fn list_request() -> Value {
    json!({"linearizable": true})
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn look_at(view: EtcdView, states: &[(u8, MemberStatus)]) -> Look {
    Look {
        view,
        stores: states.iter().map(|(ordinal, state)| state.store(*ordinal)).collect(),
        revision: states.iter().map(|(_, state)| state.header.revision).max().unwrap_or_default(),
        no_space: states.iter().any(|(_, state)| state.has_no_space()),
    }
}

/// By its peer URL: a member has a name only once it has started.
fn ordinal(member: &ListedMember, namespace: &str) -> Option<u8> {
    let [url] = member.peer_urls.as_slice() else { return None };
    ordinal_of(url, namespace)
}

/// hyper hides the reason behind "client error (Connect)".
fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The gateway's errors are `{"code": …, "message": …}`.
fn message(body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok();
    let message = told.as_ref().and_then(|told| told["message"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

#[cfg(test)]
mod tests;
