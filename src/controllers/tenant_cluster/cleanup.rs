//! Deletion: everything goes, or under Retain all but keys and data. Works from whatever is left, in any
//! order, and keeps nothing that it needs in the namespace that it deletes.
//!
//! Pods and claims are ended here rather than left to the namespace controller, whose retries take longer
//! than all the rest. Every step is repeated until nothing is left.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use nagaya_api::{DeletionPolicy, TenantCluster, labels};
use nagaya_render::diagnosis::{Blocked, why_not_gone};
use nagaya_render::status::{Failure, deleting_status};

use super::announce::announce;
use super::{Error, FINALIZER};
use crate::controllers::Context;
use crate::kube_ops::{self, Object, annotate, delete_with_grace, finalizer, patch_status};
use crate::tenant::TenantKey;

/// Seconds that processes get to end: nobody is served any more, and etcd survives any end.
const GRACE: u32 = 1;
/// How soon to look again for what is still ending: pods get [`GRACE`], and the namespace controller comes later than they need.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How soon to look again for what somebody else has to let go.
const LOOK_AGAIN_LATER: Duration = Duration::from_secs(5);

/// One step towards nothing left.
pub async fn clean_up(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
) -> Result<Action, Error> {
    let metrics = &context.manager.metrics.tenants;
    if !finalizer::is_held(raw, FINALIZER) {
        metrics.forget(&key.namespace, &key.name);
        return Ok(Action::await_change());
    }
    context.forget(key);
    let projects = Api::namespaced(context.manager.clients.projects.clone(), &key.namespace);
    let left = end(context, raw, key).await;
    let now = context.now();
    let failure = match &left {
        Err(error) => Some(error.failure(raw, now)),
        Ok(Left::Blocked(blocked)) => Some(Failure::from(blocked)),
        Ok(_) => None,
    };
    let waits_for = match (&left, &failure) {
        (_, Some(failure)) => Err(failure),
        (Ok(Left::Waiting(what) | Left::Going(what)), _) => Ok(what.as_str()),
        _ => {
            finalizer::release(&projects, raw, FINALIZER).await?;
            metrics.forget(&key.namespace, &key.name);
            // It is gone. An API server that said so by mistake is asked again, and nobody else would ever come back here.
            return Ok(Action::requeue(LOOK_AGAIN_LATER));
        }
    };
    let status = deleting_status(raw, waits_for, now);
    metrics.keep(raw, &status, None, now);
    patch_status(&projects, raw, &status).await?;
    announce(context, raw, &status).await;
    left.map(|left| match left {
        // The watch of namespaces sees it go.
        Left::Blocked(_) | Left::Going(_) => Action::requeue(LOOK_AGAIN_LATER),
        Left::Nothing | Left::Waiting(_) => Action::requeue(LOOK_AGAIN),
    })
}

async fn end(context: &Context, raw: &TenantCluster, key: &TenantKey) -> Result<Left, Error> {
    let Some(namespace) = own_namespace(context, raw, key).await? else { return Ok(Left::Nothing) };
    match raw.spec.deletion_policy {
        DeletionPolicy::Delete => end_all(context, &namespace).await,
        DeletionPolicy::Retain => retain(context, &namespace).await,
    }
}

/// What is still there, in words.
enum Left {
    Nothing,
    /// Something that nobody tells the manager the end of.
    Waiting(String),
    /// Only the namespace, in which nothing is made any more.
    Going(String),
    Blocked(Blocked),
}

/// The control-plane namespace of this very object: one that belongs to another UID is left alone.
///
/// Asked from the API server: a cache that lags would call a plane gone that was just made. By its name where the cache has one: for a
/// list by labels the API server goes through all namespaces, with each step of each deletion.
async fn own_namespace(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
) -> Result<Option<Namespace>, Error> {
    let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
    let is_own = |one: &Namespace| {
        one.labels().get(labels::TENANT_UID) == Some(&key.uid) && !is_retained(one, &key.uid)
    };
    let seen = context.caches.planes.state().into_iter().find(|one| is_own(one));
    if let Some(seen) = seen {
        let live = kube_ops::get(&all, &seen.name_any()).await?.filter(is_own);
        if live.is_some() {
            return Ok(live);
        }
    }
    let selector = format!(
        "{}={},{}={},{}={}",
        labels::TENANT_NAMESPACE,
        key.namespace,
        labels::TENANT_NAME,
        raw.name_any(),
        labels::TENANT_UID,
        key.uid,
    );
    let found = kube_ops::list(&all, &ListParams::default().labels(&selector)).await?;
    Ok(found.into_iter().find(is_own))
}

fn is_retained(namespace: &Namespace, uid: &str) -> bool {
    namespace.annotations().get(labels::RETAINED).is_some_and(|owner| owner == uid)
}

/// The namespace first: nothing is made in it any more, and the namespace controller lets 5 s pass
/// (`namespaceDeletionGracePeriod`) before it looks at it. Pods end meanwhile.
async fn end_all(context: &Context, namespace: &Namespace) -> Result<Left, Error> {
    let name = namespace.name_any();
    let planes = &context.manager.clients.planes;
    if namespace.meta().deletion_timestamp.is_none() {
        delete_with_grace(&Api::<Namespace>::all(planes.clone()), namespace, 0).await?;
    }
    let pods = end_workloads(context, &name, DeletionPolicy::Delete).await?;
    let claims = Api::<PersistentVolumeClaim>::namespaced(planes.clone(), &name);
    let claims = end_each(&claims, at_once).await?;
    if let Some(blocked) = why_not_gone(namespace, context.now()) {
        return Ok(Left::Blocked(blocked));
    }
    let going = format!("waiting for namespace {name} to go");
    // As long as nobody has told it to, rights in it may be too new to show what is there.
    let is_told = namespace.meta().deletion_timestamp.is_some();
    Ok(match pods {
        Left::Nothing if claims.is_empty() && is_told => Left::Going(going),
        Left::Nothing => Left::Waiting(going),
        left => left,
    })
}

/// Ends the processes and keeps namespace, keys and claims. The Services go too: nothing listens, and the
/// port is recorded.
async fn retain(context: &Context, namespace: &Namespace) -> Result<Left, Error> {
    let name = namespace.name_any();
    let planes = &context.manager.clients.planes;
    if let Left::Waiting(what) = end_workloads(context, &name, DeletionPolicy::Retain).await? {
        return Ok(Left::Waiting(what));
    }
    let services = end_each(&Api::<Service>::namespaced(planes.clone(), &name), at_once).await?;
    let budgets =
        end_each(&Api::<PodDisruptionBudget>::namespaced(planes.clone(), &name), at_once).await?;
    // Nobody comes back to what is retained: that they are gone is seen, and not only asked for.
    if let Left::Waiting(what) = until_gone(&[services, budgets].concat(), &name) {
        return Ok(Left::Waiting(what));
    }
    let uid = namespace.labels().get(labels::TENANT_UID);
    let uid = uid.map(String::as_str).unwrap_or_default();
    let all = Api::<Namespace>::all(planes.clone());
    annotate(&all, namespace, "mark as retained", (labels::RETAINED, Some(uid))).await?;
    Ok(Left::Nothing)
}

/// Pods before their controllers, or the garbage collector would give them all the time that they ask for.
/// One that a controller replaces meanwhile is ended before it has started anything.
async fn end_workloads(
    context: &Context,
    namespace: &str,
    policy: DeletionPolicy,
) -> Result<Left, Error> {
    let planes = &context.manager.clients.planes;
    let pods = Api::<Pod>::namespaced(planes.clone(), namespace);
    let names = end_each(&pods, |pod| grace_for(pod, policy)).await?;
    let soon = |meta: &ObjectMeta| meta.deletion_timestamp.is_none().then_some(GRACE);
    let controllers = [
        end_each(&Api::<Deployment>::namespaced(planes.clone(), namespace), soon).await?,
        end_each(&Api::<StatefulSet>::namespaced(planes.clone(), namespace), soon).await?,
        end_each(&Api::<Job>::namespaced(planes.clone(), namespace), soon).await?,
    ]
    .concat();
    if names.is_empty() {
        return Ok(until_gone(&controllers, namespace));
    }
    Ok(Left::Waiting(format!("waiting for pods {} in {namespace} to end", names.join(", "))))
}

fn until_gone(names: &[String], namespace: &str) -> Left {
    match names {
        [] => Left::Nothing,
        names => Left::Waiting(format!("waiting for {} in {namespace} to go", names.join(", "))),
    }
}

/// Seconds that a pod gets from us; `None`: it ends in time already.
///
/// kubelet does not hasten an end that has begun (`SyncTerminatingPod` ignores its context). Where all goes,
/// such a pod is taken off the API at once and its processes end behind it; where data stay, they must not
/// meet those of a successor.
fn grace_for(pod: &ObjectMeta, policy: DeletionPolicy) -> Option<u32> {
    if pod.deletion_timestamp.is_none() {
        return Some(GRACE);
    }
    let slow = pod.deletion_grace_period_seconds.is_some_and(|given| given > i64::from(GRACE));
    (slow && policy == DeletionPolicy::Delete).then_some(0)
}

/// For what has no processes.
fn at_once(meta: &ObjectMeta) -> Option<u32> {
    meta.deletion_timestamp.is_none().then_some(0)
}

/// Asks every object of a kind to go, and returns the names of those that are still there. Somebody may have
/// deleted the namespace first, and with it the manager's rights in it: then all this happens without us.
async fn end_each<K>(
    all: &Api<K>,
    grace: impl Fn(&ObjectMeta) -> Option<u32>,
) -> Result<Vec<String>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let found = match kube_ops::list(all, &ListParams::default()).await {
        Err(error) if error.is_forbidden() => Vec::new(),
        found => found?,
    };
    let to_end = found.iter().filter_map(|one| Some((one, grace(one.meta())?)));
    try_join_all(to_end.map(|(one, grace)| async move {
        match delete_with_grace(all, one, grace).await {
            Err(error) if error.is_forbidden() || error.is_race() => Ok(()),
            done => done,
        }
    }))
    .await?;
    Ok(found.iter().map(ResourceExt::name_any).collect())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn ending(grace: Option<i64>) -> ObjectMeta {
        ObjectMeta {
            deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)),
            deletion_grace_period_seconds: grace,
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_pod_that_somebody_else_ends_slowly_is_not_waited_for_unless_its_data_stay() {
        let (delete, retain) = (DeletionPolicy::Delete, DeletionPolicy::Retain);
        assert_eq!(grace_for(&ending(Some(30)), delete), Some(0));
        assert_eq!(grace_for(&ending(Some(30)), retain), None);
        assert_eq!(grace_for(&ending(Some(1)), delete), None);
        assert_eq!(grace_for(&ObjectMeta::default(), delete), Some(GRACE));
    }
}
