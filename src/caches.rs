//! What the management cluster holds of every tenant, watched by label: nothing is listed in a reconcile.
//!
//! Every object that changes wakes the reconcile of the `TenantCluster` that its labels name. Secrets are not
//! here: RBAC cannot filter by label, so they are read by name.

mod text_store;

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;

use futures::{Stream, StreamExt, TryStreamExt, future};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, reflector as reflect, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use tokio::sync::mpsc;

use text_store::text_store;
pub use text_store::{Seen, TextStore};

use crate::kube_ops::{Clients, Object, owned_fields};
use crate::tenant::Wakeups;

/// Objects in an answer while a cache is filled. As it comes, with everybody's `managedFields`, a StatefulSet takes a
/// tenth of a megabyte.
const PAGE: u32 = 100;

/// The caches. Reading one never waits.
#[derive(Clone)]
pub struct Caches {
    /// Control-plane namespaces.
    pub planes: Store<Namespace>,
    /// Namespaces that the operator has enabled for projects.
    pub projects: Store<PartialObjectMeta<Namespace>>,
    /// Services of control planes.
    pub services: TextStore<Service>,
    /// ConfigMaps of control planes.
    pub config_maps: TextStore<ConfigMap>,
    /// Role bindings of control planes.
    pub role_bindings: TextStore<RoleBinding>,
    /// Role bindings of projects that are ours. A cache of their own: projects may be in another cluster.
    pub project_role_bindings: TextStore<RoleBinding>,
    /// etcd, kube-controller-manager and kube-scheduler.
    pub stateful_sets: TextStore<StatefulSet>,
    /// kube-apiserver.
    pub deployments: TextStore<Deployment>,
    /// Budgets of etcd and kube-apiserver.
    pub budgets: TextStore<PodDisruptionBudget>,
    /// Those that save or restore an etcd: usually none.
    pub jobs: Store<Job>,
}

impl Caches {
    /// The caches, and the task that keeps them true. It ends only when dropped.
    ///
    /// `enabled` gets the name of every project namespace that the operator enables, changes or disables.
    pub fn new(
        clients: &Clients,
        wakeups: &Wakeups,
        enabled: mpsc::UnboundedSender<String>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let ours = format!("{}={}", labels::MANAGED_BY, labels::MANAGER);
        let (planes, watch_planes) = watch(&clients.planes, wakeups, &ours);
        let (services, watch_services) = watch_texts(&clients.planes, wakeups, &ours);
        let (config_maps, watch_config_maps) = watch_texts(&clients.planes, wakeups, &ours);
        let (role_bindings, watch_role_bindings) =
            watch_texts(&clients.planes, wakeups, &format!("{ours},{}", labels::TENANT_NAME));
        let (project_role_bindings, watch_project_role_bindings) =
            watch_texts(&clients.projects, wakeups, &format!("{ours},!{}", labels::TENANT_NAME));
        let (stateful_sets, watch_stateful_sets) = watch_texts(&clients.planes, wakeups, &ours);
        let (deployments, watch_deployments) = watch_texts(&clients.planes, wakeups, &ours);
        let (budgets, watch_budgets) = watch_texts(&clients.planes, wakeups, &ours);
        let (jobs, watch_jobs) = watch(&clients.planes, wakeups, &ours);
        let (projects, watch_projects) = watch_projects(&clients.projects, enabled);
        let caches = Self {
            planes,
            projects,
            services,
            config_maps,
            role_bindings,
            project_role_bindings,
            stateful_sets,
            deployments,
            budgets,
            jobs,
        };
        let all = async move {
            tokio::join!(
                watch_planes,
                watch_services,
                watch_config_maps,
                watch_role_bindings,
                watch_project_role_bindings,
                watch_stateful_sets,
                watch_deployments,
                watch_budgets,
                watch_jobs,
                watch_projects,
            );
        };
        (caches, all)
    }

    /// Whether the operator has enabled a namespace for projects.
    #[must_use]
    pub fn project_enabled(&self, namespace: &str) -> bool {
        self.projects.get(&ObjectRef::new(namespace)).is_some()
    }

    /// Ends when every cache has been filled once: before that, absence proves nothing.
    pub async fn filled(&self) {
        let Self {
            planes,
            projects,
            services,
            config_maps,
            role_bindings,
            project_role_bindings,
            stateful_sets,
            deployments,
            budgets,
            jobs,
        } = self;
        let _ = tokio::join!(
            planes.wait_until_ready(),
            projects.wait_until_ready(),
            services.wait_until_ready(),
            config_maps.wait_until_ready(),
            role_bindings.wait_until_ready(),
            project_role_bindings.wait_until_ready(),
            stateful_sets.wait_until_ready(),
            deployments.wait_until_ready(),
            budgets.wait_until_ready(),
            jobs.wait_until_ready(),
        );
    }
}

/// For kinds of which each tenant has many, or large ones.
fn watch_texts<K>(
    client: &Client,
    wakeups: &Wakeups,
    selector: &str,
) -> (TextStore<K>, impl Future<Output = ()> + use<K>)
where
    K: Object + Resource<DynamicType = ()> + Send + 'static,
{
    let (reader, mut writer) = text_store();
    let events = events(client, selector).inspect_ok(move |event| writer.note(event));
    (reader, wake_tenants(events, wakeups.clone()))
}

/// For kinds whose objects are all gone through.
fn watch<K>(
    client: &Client,
    wakeups: &Wakeups,
    selector: &str,
) -> (Store<K>, impl Future<Output = ()> + use<K>)
where
    K: Object + Resource<DynamicType = ()> + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    (reader, wake_tenants(reflect(writer, events(client, selector)), wakeups.clone()))
}

fn events<K>(
    client: &Client,
    selector: &str,
) -> impl Stream<Item = watcher::Result<Event<K>>> + use<K>
where
    K: Object + Resource<DynamicType = ()> + Send + 'static,
{
    let selected = watcher::Config::default().labels(selector).page_size(PAGE);
    watcher(Api::<K>::all(client.clone()), selected)
        .default_backoff()
        .modify(|object| owned_fields::keep_only_ours(object.meta_mut()))
}

fn watch_projects(
    client: &Client,
    enabled_now: mpsc::UnboundedSender<String>,
) -> (Store<PartialObjectMeta<Namespace>>, impl Future<Output = ()> + use<>) {
    let (reader, writer) = reflector::store();
    let enabled = watcher::Config::default().labels(&format!(
        "{}={}",
        labels::PROJECT,
        labels::PROJECT_ENABLED
    ));
    let events = watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), enabled)
        .default_backoff()
        .modify(|namespace| namespace.managed_fields_mut().clear());
    let name = |namespace: &PartialObjectMeta<Namespace>| Some(namespace.name_any());
    let told = tell(reflect(writer, events), name, move |name| {
        let _ = enabled_now.send(name);
    });
    (reader, told)
}

fn wake_tenants<K: Resource<DynamicType = ()>>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    wakeups: Wakeups,
) -> impl Future<Output = ()> {
    let tenant_of = |object: &K| tenant_of(object.meta());
    tell(events, tenant_of, move |tenant| wakeups.wake_object(tenant))
}

/// Tells whom each event concerns, once readers see it: of a list they see nothing before its end. Ends only when dropped.
fn tell<K: Resource<DynamicType = ()>, T: Eq + Hash>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    concerned: impl Fn(&K) -> Option<T>,
    mut tell: impl FnMut(T),
) -> impl Future<Output = ()> {
    let mut listed = HashSet::new();
    events.for_each(move |event| {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => listed.extend(concerned(&object)),
            Ok(Event::InitDone) => std::mem::take(&mut listed).into_iter().for_each(&mut tell),
            Ok(Event::Apply(object) | Event::Delete(object)) => {
                concerned(&object).into_iter().for_each(&mut tell);
            }
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch of the management cluster failed");
            }
        }
        future::ready(())
    })
}

fn tenant_of(meta: &ObjectMeta) -> Option<ObjectRef<TenantCluster>> {
    let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key));
    let (name, namespace) = (label(labels::TENANT_NAME)?, label(labels::TENANT_NAMESPACE)?);
    Some(ObjectRef::new(name).within(namespace))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use nagaya_api::labels::{TENANT_NAME, TENANT_NAMESPACE};

    use super::*;

    fn service(tenant: &str) -> Service {
        let labels = [(TENANT_NAME, tenant), (TENANT_NAMESPACE, "acme")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let metadata = ObjectMeta { labels: Some(labels.into()), ..ObjectMeta::default() };
        Service { metadata, ..Service::default() }
    }

    async fn woken_after(events: Vec<Event<Service>>) -> Vec<String> {
        let (wakeups, woken) = crate::tenant::wakeups();
        wake_tenants(stream::iter(events.into_iter().map(Ok)), wakeups).await;
        let mut names: Vec<_> = woken.map(|tenant| tenant.name).collect().await;
        names.sort();
        names
    }

    #[tokio::test]
    async fn an_object_that_changes_or_goes_wakes_its_tenant() {
        let events = vec![Event::Apply(service("a")), Event::Delete(service("b"))];
        assert_eq!(woken_after(events).await, ["a", "b"]);
        assert!(woken_after(vec![Event::Apply(Service::default())]).await.is_empty());
    }

    #[tokio::test]
    async fn whom_a_list_concerns_is_woken_once_and_not_before_readers_see_it() {
        let mut events = vec![Event::Init, Event::InitApply(service("of a list that broke off"))];
        events.extend([
            Event::Init,
            Event::InitApply(service("a")),
            Event::InitApply(service("b")),
        ]);
        assert!(woken_after(events.clone()).await.is_empty());
        events.extend([Event::InitApply(service("a")), Event::InitDone]);
        assert_eq!(woken_after(events).await, ["a", "b"]);
    }
}
