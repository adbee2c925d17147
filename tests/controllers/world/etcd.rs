//! Plays etcd: members that are told to come and go, and are well while their pod is ready, and how full they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, pending};
use nagaya::etcd::{Error, EtcdAccess, Etcds, Look};
use nagaya_render::membership::{EtcdView, Member, Step, Store};

use super::uid;
use crate::memory_api::{Fault, MemoryApi};
use crate::process::Process;

/// The etcds of all control planes.
pub struct MemoryEtcds {
    planes: MemoryApi,
    /// By the UID of the control-plane namespace: the volumes go with it.
    members: Mutex<HashMap<String, Vec<Member>>>,
    room: Mutex<Room>,
    taken: Mutex<Vec<Step>>,
    /// What becomes of which step.
    planned: Mutex<Option<(usize, Fault)>>,
}

/// The same as one manager's process reaches them.
pub struct EtcdsOf {
    pub process: Process,
    pub etcds: Arc<MemoryEtcds>,
}

/// The same in every member of every etcd.
#[derive(Clone, Debug, Default)]
struct Room {
    /// Of each member, in the order of their ordinals.
    sizes: [u64; 5],
    in_use: u64,
    revision: u64,
    full: bool,
}

/// What may be used; sizes are parts of it.
const QUOTA: u64 = 1000 << 20;

impl MemoryEtcds {
    /// Whose pods are in `planes`.
    pub fn beside(planes: &MemoryApi) -> Self {
        Self {
            planes: planes.clone(),
            members: Mutex::default(),
            room: Mutex::default(),
            taken: Mutex::default(),
            planned: Mutex::default(),
        }
    }

    /// The same members, whose pods are in `planes`.
    pub fn copy(&self, planes: &MemoryApi) -> Self {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            planes: planes.clone(),
            members: Mutex::new(members),
            room: Mutex::new(self.room().clone()),
            taken: Mutex::default(),
            planned: Mutex::default(),
        }
    }

    /// Plans `fault` for the step number `step`, the first being 1.
    pub fn plan_fault(&self, step: usize, fault: Fault) {
        *self.planned.lock().unwrap() = Some((step, fault));
    }

    /// Whether what was planned has happened.
    pub fn all_faults_happened(&self) -> bool {
        self.planned.lock().unwrap().is_none()
    }

    /// What becomes of the step that was asked for last.
    fn fault(&self) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap();
        let number = self.taken().len();
        planned.take_if(|(step, _)| *step == number).map(|(_, fault)| fault)
    }

    fn with<T>(&self, namespace: &str, work: impl FnOnce(&mut Vec<Member>) -> T) -> T {
        let mut all = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let plane = uid(&self.planes, namespace).unwrap_or_default();
        let members = all.entry(plane).or_insert_with(|| {
            vec![Member { id: 1, ordinal: Some(0), learner: false, healthy: true, leader: true }]
        });
        work(members)
    }

    /// Ordinals of the members of the etcd in `namespace`, in the order in which they joined.
    pub fn members(&self, namespace: &str) -> Vec<u8> {
        self.with(namespace, |members| members.iter().filter_map(|one| one.ordinal).collect())
    }

    /// Every database takes so many MiB of 1000, and that much of them is in use. At 1000, nothing is written.
    pub fn fill(&self, size: u64, in_use: u64) {
        let mut room = self.room();
        room.sizes = [size << 20; 5];
        room.in_use = in_use << 20;
        room.revision += 1;
        room.full |= size << 20 >= QUOTA;
    }

    /// Somebody deletes what was in use, but for so many MiB.
    pub fn empty(&self, in_use: u64) {
        let mut room = self.room();
        room.in_use = in_use << 20;
        room.revision += 1;
    }

    /// Whether nothing can be written.
    pub fn is_full(&self) -> bool {
        self.room().full
    }

    /// What was done for the room in it.
    pub fn upkeep(&self) -> Vec<Step> {
        let for_room = |step: &Step| {
            matches!(
                step,
                Step::Compact { .. }
                    | Step::Defragment { .. }
                    | Step::Disarm
                    | Step::MoveLeader { .. }
            )
        };
        self.taken().iter().filter(|step| for_room(step)).cloned().collect()
    }

    /// Every step that was asked for, by whomever.
    pub fn taken(&self) -> Vec<Step> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
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
        let ordinals: Vec<Option<u8>> = members.iter().map(|member| member.ordinal).collect();
        let is_member = |ordinal: u8| ordinals.contains(&Some(ordinal));
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
        let room = self.room().clone();
        let store = |(ordinal, size): (u8, &u64)| Store {
            ordinal,
            size: *size,
            in_use: room.in_use,
            quota: QUOTA,
            applied: 0,
        };
        let stores = (0..).zip(&room.sizes).map(store).filter(|store| is_member(store.ordinal));
        let stores = stores.collect();
        let look = Look { view, stores, revision: room.revision, no_space: room.full };
        Box::pin(async { Ok(look) })
    }

    fn take<'a>(
        &'a self,
        access: &'a EtcdAccess,
        _: u8,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(step.clone());
        let fault = self.fault();
        if matches!(fault, Some(Fault::Refused(_) | Fault::Lost(_))) {
            return Box::pin(async { Err(unanswered()) });
        }
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
                _ => {}
            }
        });
        let mut room = self.room();
        match step {
            Step::Defragment { ordinal } => room.sizes[usize::from(*ordinal)] = room.in_use,
            Step::Disarm => room.full = false,
            _ => {}
        }
        match fault {
            Some(Fault::AnswerLost(_)) => Box::pin(async { Err(unanswered()) }),
            Some(Fault::Silence) => Box::pin(pending()),
            _ => Box::pin(async { Ok(()) }),
        }
    }
}

fn unanswered() -> Error {
    Error::Unreachable { member: "etcd-0".to_owned(), why: "a fault of the test".to_owned() }
}

impl Etcds for EtcdsOf {
    fn look<'a>(
        &'a self,
        access: &'a EtcdAccess,
        ordinals: &'a [u8],
    ) -> BoxFuture<'a, Result<Look, Error>> {
        Box::pin(async move {
            let look = self.etcds.look(access, ordinals).await;
            self.process.has_looked().await;
            look
        })
    }

    fn take<'a>(
        &'a self,
        access: &'a EtcdAccess,
        through: u8,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.etcds.take(access, through, step)
    }
}
