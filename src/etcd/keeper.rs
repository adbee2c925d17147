//! Looks at a tenant's etcd and takes the next step of its membership, or for the room in its database: a task that no
//! reconcile waits for, at most one per tenant. The reconcile that it wakes makes the pods follow, and sends it again if
//! something is left.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nagaya_render::membership::{Circumstances, EtcdFindings, EtcdView, Member, Step, next_step};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::upkeep::Upkeep;
use super::{EtcdAccess, Etcds, Look};
use crate::leader::Leadership;
use crate::tenant::{TenantKey, Wakeups};

/// Between two looks at something that has to happen elsewhere.
const PAUSE: Duration = Duration::from_secs(1);
/// How often an etcd is looked at in which nothing happens.
const REST: Duration = Duration::from_mins(9);
/// The same while its tenant is not Ready, at most: it is a pass that asks.
const UNREST: Duration = Duration::from_secs(5);

/// What a reconcile wants to be done.
#[derive(Clone)]
pub struct Errand {
    /// Where etcd is.
    pub access: EtcdAccess,
    /// The members that are known.
    pub members: Vec<u8>,
    /// What the next step depends on.
    pub around: Circumstances,
    /// Only look: the tenant is paused.
    pub look_only: bool,
}

/// What the last look came to.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What etcd said.
    pub look: Look,
    /// What is next.
    pub step: Step,
    /// It has just been taken.
    taken: bool,
    /// Why it could not be taken, in words.
    pub failure: Option<String>,
    at: Instant,
}

impl Seen {
    /// Whether it is old enough to look again though nothing happens; sooner where something is not `well`.
    #[must_use]
    pub fn is_old(&self, well: bool) -> bool {
        self.at.elapsed() > if well { REST } else { UNREST }
    }

    /// For the status.
    #[must_use]
    pub fn findings(&self) -> EtcdFindings {
        EtcdFindings {
            step: self.step.clone(),
            quorum: matches!(self.look.view, EtcdView::Quorum(_)),
            answering: match &self.look.view {
                EtcdView::Quorum(members) => members.iter().filter(|one| one.healthy).count(),
                EtcdView::NoQuorum { answering } => answering.len(),
            },
            failure: self.failure.clone(),
            no_space: self.look.no_space.then(|| self.quota()),
        }
    }

    fn quota(&self) -> u64 {
        self.look.stores.iter().map(|store| store.quota).max().unwrap_or_default()
    }

    /// Sizes change with every write, and nothing follows from them but the step.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let said = |one: &Self| (one.look.view.clone(), one.look.no_space, one.step.clone());
        said(self) == said(other) && self.failure == other.failure
    }

    /// The member that has just been defragmented.
    #[must_use]
    pub fn defragmented(&self) -> Option<u8> {
        match self.step {
            Step::Defragment { ordinal } if self.taken => Some(ordinal),
            _ => None,
        }
    }
}

/// The tasks of all tenants, and what they saw.
#[derive(Clone)]
pub struct EtcdKeeper(Arc<Inner>);

struct Inner {
    wakeups: Wakeups,
    leadership: Leadership,
    etcds: Arc<dyn Etcds>,
    at_once: Semaphore,
    tenants: Mutex<HashMap<TenantKey, Entry>>,
    generations: AtomicU64,
}

struct Entry {
    /// Another one after each time that it was forgotten: what was begun before does not count any more.
    generation: u64,
    seen: Option<Arc<Seen>>,
    busy: bool,
    upkeep: Upkeep,
}

impl EtcdKeeper {
    /// A keeper that works on at most `at_once` tenants at the same time.
    #[must_use]
    pub fn new(
        at_once: usize,
        etcds: Arc<dyn Etcds>,
        leadership: Leadership,
        wakeups: Wakeups,
    ) -> Self {
        Self(Arc::new(Inner {
            wakeups,
            leadership,
            etcds,
            at_once: Semaphore::new(at_once),
            tenants: Mutex::default(),
            generations: AtomicU64::default(),
        }))
    }

    /// What the last look saw; `None`: nobody has looked yet.
    #[must_use]
    pub fn seen(&self, tenant: &TenantKey) -> Option<Arc<Seen>> {
        self.0.tenants().get(tenant).and_then(|entry| entry.seen.clone())
    }

    /// Looks, takes at most one step, and wakes the tenant's reconcile; nothing if that is under way. Must be called
    /// inside a tokio runtime.
    pub fn attend(&self, tenant: &TenantKey, errand: Errand) {
        let mut tenants = self.0.tenants();
        let entry = tenants.entry(tenant.clone()).or_insert_with(|| Entry {
            generation: self.0.generations.fetch_add(1, Ordering::Relaxed),
            seen: None,
            busy: false,
            upkeep: Upkeep::default(),
        });
        if std::mem::replace(&mut entry.busy, true) {
            return;
        }
        let (generation, mut upkeep) = (entry.generation, entry.upkeep.clone());
        drop(tenants);
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        tokio::spawn(async move {
            let seen = inner.work(&errand, &mut upkeep).await;
            match seen.step {
                Step::Rest => {}
                // Somebody who deletes makes a new revision with each object.
                Step::Compact { .. } => sleep(PAUSE).await,
                _ if seen.taken => {}
                Step::Pause | Step::Full => sleep(UNREST).await,
                _ => sleep(PAUSE).await,
            }
            inner.tell(&tenant, generation, (seen, upkeep), errand.look_only);
        });
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &TenantKey) {
        self.0.tenants().remove(tenant);
    }
}

impl Inner {
    async fn work(&self, errand: &Errand, upkeep: &mut Upkeep) -> Seen {
        // Never closed.
        let _place = self.at_once.acquire().await.ok();
        let look = match self.etcds.look(&errand.access, &errand.members).await {
            Ok(look) => look,
            Err(error) => return unusable(&error.to_string()),
        };
        let space = upkeep.space(&look, &errand.around.space);
        let step = next_step(&look.view, &Circumstances { space, ..errand.around.clone() });
        if errand.look_only || !step.is_action() {
            return Seen { look, step, taken: false, failure: None, at: Instant::now() };
        }
        let failure = self.take(&errand.access, &look.view, &step).await.err();
        upkeep.note(&step, failure.is_some());
        match &failure {
            None => tracing::info!(namespace = errand.access.namespace, ?step, "etcd"),
            Some(why) => tracing::debug!(namespace = errand.access.namespace, ?step, why),
        }
        // What follows from the step has to be seen before anything else is decided.
        let look = self.etcds.look(&errand.access, &errand.members).await.unwrap_or(look);
        Seen { look, step, taken: failure.is_none(), failure, at: Instant::now() }
    }

    async fn take(&self, access: &EtcdAccess, view: &EtcdView, step: &Step) -> Result<(), String> {
        self.leadership.confirm().await.map_err(|error| error.to_string())?;
        let EtcdView::Quorum(members) = view else { return Ok(()) };
        let through = voice(members, step).ok_or("no member can be asked")?;
        self.etcds.take(access, through, step).await.map_err(|error| error.to_string())
    }

    fn tell(
        &self,
        tenant: &TenantKey,
        generation: u64,
        (seen, upkeep): (Seen, Upkeep),
        look_only: bool,
    ) {
        let mut tenants = self.tenants();
        let entry = tenants.get_mut(tenant).filter(|entry| entry.generation == generation);
        // Forgotten meanwhile.
        let Some(entry) = entry else { return };
        entry.busy = false;
        entry.upkeep = upkeep;
        let news = !entry.seen.as_ref().is_some_and(|old| old.says_the_same_as(&seen));
        let unfinished = seen.step != Step::Rest && !look_only;
        entry.seen = Some(Arc::new(seen));
        drop(tenants);
        if news || unfinished {
            self.wakeups.wake(tenant);
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantKey, Entry>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Through whom a step is taken: the leader, which has to be for some; never the one that leaves. A member defragments
/// itself.
fn voice(members: &[Member], step: &Step) -> Option<u8> {
    if let Step::Defragment { ordinal } = step {
        return Some(*ordinal);
    }
    let leaves = |member: &Member| matches!(step, Step::Remove { id, .. } if *id == member.id);
    let voters = || members.iter().filter(|one| one.healthy && !one.learner && !leaves(one));
    voters().find(|member| member.leader).or_else(|| voters().next())?.ordinal
}

fn unusable(why: &str) -> Seen {
    let view = EtcdView::NoQuorum { answering: Vec::new() };
    Seen {
        look: Look { view, stores: Vec::new(), revision: 0, no_space: false },
        step: Step::Wait(why.to_owned()),
        taken: false,
        failure: None,
        at: Instant::now(),
    }
}
