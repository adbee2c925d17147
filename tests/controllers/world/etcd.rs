//! Plays etcd: members that are told to come and go, and are well while their pod is ready.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use nagaya::etcd::{Error, EtcdAccess, Etcds, Look};
use nagaya_render::membership::{EtcdView, Member, Step};

use crate::memory_api::MemoryApi;

/// The etcds of all control planes.
pub struct MemoryEtcds {
    planes: MemoryApi,
    members: Mutex<HashMap<String, Vec<Member>>>,
}

impl MemoryEtcds {
    /// Whose pods are in `planes`.
    pub fn beside(planes: &MemoryApi) -> Self {
        Self { planes: planes.clone(), members: Mutex::default() }
    }

    fn with<T>(&self, namespace: &str, work: impl FnOnce(&mut Vec<Member>) -> T) -> T {
        let mut all = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let members = all.entry(namespace.to_owned()).or_insert_with(|| {
            vec![Member { id: 1, ordinal: Some(0), learner: false, healthy: true, leader: true }]
        });
        work(members)
    }

    /// Ordinals of the members of the etcd in `namespace`, in the order in which they joined.
    pub fn members(&self, namespace: &str) -> Vec<u8> {
        self.with(namespace, |members| members.iter().filter_map(|one| one.ordinal).collect())
    }

    fn is_ready(&self, namespace: &str, ordinal: u8) -> bool {
        let pod = self.planes.get("Pod", namespace, &format!("etcd-{ordinal}"));
        pod.is_some_and(|pod| pod["status"]["conditions"][0]["status"] == "True")
    }
}

impl Etcds for MemoryEtcds {
    fn look<'a>(
        &'a self,
        access: &'a EtcdAccess,
        _: &'a [u8],
    ) -> BoxFuture<'a, Result<Look, Error>> {
        let namespace = &access.namespace;
        let members = self.with(namespace, |members| members.clone());
        let is_well = |member: &Member| member.ordinal.is_some_and(|n| self.is_ready(namespace, n));
        let members: Vec<Member> = members
            .into_iter()
            .map(|member| Member { healthy: is_well(&member), ..member })
            .collect();
        let well = members.iter().filter(|member| member.healthy && !member.learner).count();
        let voters = members.iter().filter(|member| !member.learner).count();
        let view = if well > voters / 2 {
            EtcdView::Quorum(members)
        } else {
            EtcdView::NoQuorum { answering: Vec::new() }
        };
        Box::pin(async { Ok(Look { view, size: None, no_space: false }) })
    }

    fn take<'a>(
        &'a self,
        access: &'a EtcdAccess,
        _: u8,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.with(&access.namespace, |members| {
            let id = members.iter().map(|member| member.id).max().unwrap_or_default() + 1;
            match step {
                Step::AddLearner { ordinal } => members.push(Member {
                    id,
                    ordinal: Some(*ordinal),
                    learner: true,
                    healthy: false,
                    leader: false,
                }),
                Step::Remove { id, .. } => members.retain(|member| member.id != *id),
                Step::Promote { id, .. } => members
                    .iter_mut()
                    .filter(|member| member.id == *id)
                    .for_each(|member| member.learner = false),
                Step::MoveLeader { id, .. } => {
                    for member in members {
                        member.leader = member.id == *id;
                    }
                }
                Step::Rest | Step::Wait(_) => {}
            }
        });
        Box::pin(async { Ok(()) })
    }
}
