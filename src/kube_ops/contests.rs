//! [`super::apply()`], bounded where somebody undoes each write: the first repairs are made at once, then with growing
//! pauses, and it is known who it is.
//!
//! Two kinds of rivals. Another client that writes a field of ours takes its ownership away
//! ([`super::owned_fields`]), and that names it. Admission (a mutating webhook or policy) changes the field within
//! our own write, and only the value tells (`altered.rs`); who it may be is looked up (`mutators.rs`).

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use nagaya_render::diagnosis::{Blockage, Blocked};
use serde_json::Value;
use tokio::time::Instant;

use super::altered::first_altered;
use super::apply::{self, Applied};
use super::contest::{Contest, Rival};
use super::error::{describe, describe_as, to_json};
use super::{Error, Object, get, mutators, owned_fields, ownership};

/// The contests of every tenant, by object. Remembers only what was written in the last minutes.
#[derive(Debug)]
pub struct Contests<T>(Mutex<HashMap<T, BTreeMap<String, Contest>>>);

impl<T> Default for Contests<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What [`Contests::apply`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried<K> {
    /// What was given as `live` is as wanted; no call was made.
    AsWanted,
    /// Nothing was written: a write would be too soon, or somebody has just made it as wanted.
    Left,
    /// The object as the API server holds it now.
    Written(K),
}

impl<K> From<Applied<K>> for Tried<K> {
    fn from(applied: Applied<K>) -> Self {
        match applied {
            Applied::Unchanged => Self::Left,
            Applied::Written(written) => Self::Written(written),
        }
    }
}

impl<K> From<Tried<K>> for Applied<K> {
    fn from(tried: Tried<K>) -> Self {
        match tried {
            Tried::AsWanted | Tried::Left => Self::Unchanged,
            Tried::Written(written) => Self::Written(written),
        }
    }
}

impl<T: Clone + Eq + Hash> Contests<T> {
    /// [`super::apply()`] for `tenant`.
    ///
    /// `None` for `live` is looked at: caches hold only what has our labels, and what has not may be another's.
    ///
    /// # Errors
    /// As [`super::apply()`].
    pub async fn apply<K: Object>(
        &self,
        tenant: &T,
        api: &Api<K>,
        live: Option<&K>,
        desired: &K,
    ) -> Result<Tried<K>, Error>
    where
        K::DynamicType: Default,
    {
        let unseen = match live {
            Some(_) => None,
            None => get::get(api, &desired.name_any()).await?,
        };
        let Some(live) = live.or(unseen.as_ref()) else {
            return apply::apply(api, None, desired).await.map(Tried::from);
        };
        let wanted = to_json(desired)?;
        ownership::check(live.meta(), &wanted)?;
        let object = describe(&wanted);
        let is_applied = apply::is_applied(live, &wanted);
        if is_applied && first_altered(&wanted, &to_json(live)?).is_none() {
            self.is_as_wanted(tenant, &object);
            return Ok(if unseen.is_some() { Tried::Left } else { Tried::AsWanted });
        }
        let mut contest = self.contest(tenant, &object, &apply::digest_of(&wanted));
        if !contest.is_due(Instant::now()) {
            return Ok(Tried::Left);
        }
        let rival = if is_applied { None } else { taken(api, live, &wanted, &contest).await };
        let applied = apply::write(api, Some(live), &wanted, apply::own).await?;
        let Applied::Written(written) = &applied else { return Ok(applied.into()) };
        let altered = match first_altered(&wanted, &to_json(written)?) {
            Some(field) => Some(altering(api, live, &wanted, &contest, field).await),
            None => None,
        };
        contest.rival = rival.or(contest.rival.take());
        contest.note_write(altered, Instant::now());
        self.lock().entry(tenant.clone()).or_default().insert(object, contest);
        Ok(applied.into())
    }

    /// The object is known to be as wanted, without another look at it.
    pub fn stands<K: Object>(&self, tenant: &T, object: &K)
    where
        K::DynamicType: Default,
    {
        if self.lock().contains_key(tenant) {
            let kind = K::kind(&K::DynamicType::default()).into_owned();
            let (namespace, name) = (object.namespace(), object.name_any());
            self.is_as_wanted(tenant, &describe_as(&kind, namespace.as_deref(), &name));
        }
    }

    /// The first object of a tenant that is contested now.
    #[must_use]
    pub fn of(&self, tenant: &T) -> Option<Blocked> {
        let contests = self.lock();
        let (object, contest) =
            contests.get(tenant)?.iter().find(|(_, contest)| contest.is_contested())?;
        let (field, by) = match &contest.rival {
            Some(rival) => (rival.field.clone(), rival.by.clone()),
            // What is removed has no owner.
            None => ("something".to_owned(), "somebody who removes it".to_owned()),
        };
        let blockage = Blockage::FieldContested { object: object.clone(), field, by };
        Some(Blocked::new(blockage, Some(contest.since())))
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &T) {
        self.lock().remove(tenant);
    }

    fn contest(&self, tenant: &T, object: &str, wanted: &str) -> Contest {
        let now = Instant::now();
        let contests = self.lock();
        let found = contests.get(tenant).and_then(|all| all.get(object)).cloned();
        found
            .filter(|contest| !contest.is_another(wanted, now))
            .unwrap_or_else(|| Contest::about(wanted, now, Timestamp::now()))
    }

    fn is_as_wanted(&self, tenant: &T, object: &str) {
        let mut contests = self.lock();
        let Some(of_tenant) = contests.get_mut(tenant) else { return };
        if of_tenant.get(object).is_some_and(|contest| contest.ends(Instant::now())) {
            of_tenant.remove(object);
        }
        if of_tenant.is_empty() {
            contests.remove(tenant);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<T, BTreeMap<String, Contest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who of admission has changed `field` within our write. Looked up only when it begins.
async fn altering<K: Object>(
    api: &Api<K>,
    live: &K,
    wanted: &Value,
    contest: &Contest,
    field: String,
) -> Rival
where
    K::DynamicType: Default,
{
    let known = contest.rival.as_ref().filter(|rival| rival.in_our_write);
    let by = match known {
        Some(rival) => rival.by.clone(),
        None => mutators::of_update(api, live, wanted).await,
    };
    Rival { field, by, in_our_write: true }
}

/// Who owns a field of ours now. Asked only when it goes on: caches keep no owners but us. By `list`, for
/// the manager may `get` none of these kinds.
async fn taken<K: Object>(
    api: &Api<K>,
    live: &K,
    wanted: &Value,
    contest: &Contest,
) -> Option<Rival>
where
    K::DynamicType: Default,
{
    if !contest.goes_on() {
        return None;
    }
    let name = live.meta().name.as_deref()?;
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = get::list(api, &params).await;
    let found = found
        .inspect_err(|error| tracing::warn!(%error, "cannot see who changes an object of ours"))
        .ok()?;
    let (field, manager) = owned_fields::first_taken(found.first()?.meta(), wanted)?;
    Some(Rival { field, by: format!("field manager {manager}"), in_our_write: false })
}
