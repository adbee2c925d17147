//! What the management cluster holds of every tenant, watched by label: nothing is listed in a reconcile.
//!
//! Every object that changes wakes the reconcile of the `TenantCluster` that its labels name. Secrets are not
//! here: RBAC cannot filter by label, so they are read by name.

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;

use futures::{StreamExt, future};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, reflector as reflect, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_api::labels;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::kube_ops::Clients;
use crate::kube_ops::owned_fields;
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
    pub services: Store<Service>,
    /// ConfigMaps of control planes.
    pub config_maps: Store<ConfigMap>,
    /// Role bindings of control planes.
    pub role_bindings: Store<RoleBinding>,
    /// Role bindings of projects that are ours. A cache of their own: projects may be in another cluster.
    pub project_role_bindings: Store<RoleBinding>,
    /// etcd, kube-controller-manager and kube-scheduler.
    pub stateful_sets: Store<StatefulSet>,
    /// kube-apiserver.
    pub deployments: Store<Deployment>,
    /// Budgets of etcd and kube-apiserver.
    pub budgets: Store<PodDisruptionBudget>,
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
        let (services, watch_services) = watch(&clients.planes, wakeups, &ours);
        let (config_maps, watch_config_maps) = watch(&clients.planes, wakeups, &ours);
        let (role_bindings, watch_role_bindings) =
            watch(&clients.planes, wakeups, &format!("{ours},{}", labels::TENANT_NAME));
        let (project_role_bindings, watch_project_role_bindings) =
            watch(&clients.projects, wakeups, &format!("{ours},!{}", labels::TENANT_NAME));
        let (stateful_sets, watch_stateful_sets) = watch(&clients.planes, wakeups, &ours);
        let (deployments, watch_deployments) = watch(&clients.planes, wakeups, &ours);
        let (budgets, watch_budgets) = watch(&clients.planes, wakeups, &ours);
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

fn watch<K>(
    client: &Client,
    wakeups: &Wakeups,
    selector: &str,
) -> (Store<K>, impl Future<Output = ()> + use<K>)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone,
{
    let (reader, writer) = reflector::store();
    let wakeups = wakeups.clone();
    let selected = watcher::Config::default().labels(selector).page_size(PAGE);
    let events = watcher(Api::<K>::all(client.clone()), selected)
        .default_backoff()
        .modify(|object| owned_fields::keep_only_ours(object.meta_mut()));
    let task = reflect(writer, events).touched_objects().for_each(move |object| {
        match object {
            Ok(object) => wake_tenant(&wakeups, object.meta()),
            Err(error) => {
                tracing::warn!(error = %error, "a watch of the management cluster failed");
            }
        }
        future::ready(())
    });
    (reader, task)
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
    let task = reflect(writer, events).touched_objects().for_each(move |event| {
        match event {
            Ok(namespace) => {
                let _ = enabled_now.send(namespace.name_any());
            }
            Err(error) => tracing::warn!(error = %error, "the watch of project namespaces failed"),
        }
        future::ready(())
    });
    (reader, task)
}

fn wake_tenant(wakeups: &Wakeups, meta: &ObjectMeta) {
    let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key));
    if let (Some(name), Some(namespace)) =
        (label(labels::TENANT_NAME), label(labels::TENANT_NAMESPACE))
    {
        wakeups.wake_object(ObjectRef::new(name).within(namespace));
    }
}
