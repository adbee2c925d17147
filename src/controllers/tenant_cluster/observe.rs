//! The observe step: what is there, from caches. The only calls are for what a cache cannot prove.

use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use nagaya_api::{TenantCluster, labels};
use nagaya_render::load_balancer::BalancerView;
use nagaya_render::plane::{names, plane_namespace_name};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::settings::Settings;
use nagaya_render::snapshots::PlaneJobs;
use nagaya_render::validate::{OldestKubelet, Surroundings};
use nagaya_render::workloads::{Workload, Workloads};

use super::members::{self, Members};
use super::{Error, balancer, diagnose, kubelets, snapshots};
use crate::controllers::Context;
use crate::kube_ops;
use crate::tenant::TenantKey;

/// What one pass saw.
pub struct Observed {
    /// The operator has enabled the project.
    pub project_enabled: bool,
    /// Control-plane namespaces labelled as this tenant's; usually one or none.
    pub planes: Vec<PlaneRecord>,
    /// How far the workloads are.
    pub workloads: Workloads,
    /// What is known of etcd's members.
    pub members: Members,
    /// Jobs that save or restore etcd.
    pub jobs: PlaneJobs,
    /// The node that limits an upgrade, if one is asked for.
    pub oldest_kubelet: OldestKubelet,
    /// What is seen of the load balancer, if one is to lead to it.
    pub balancer: BalancerView,
    /// Changes whenever another kube-controller-manager may be at work.
    pub signer_generation: String,
    /// Changes whenever another kube-apiserver may be at work.
    pub api_servers: String,
}

impl Observed {
    /// What validation needs.
    pub fn surroundings<'a>(&'a self, settings: &'a Settings) -> Surroundings<'a> {
        Surroundings {
            settings,
            project_enabled: self.project_enabled,
            planes: &self.planes,
            oldest_kubelet: &self.oldest_kubelet,
        }
    }

    /// The plane was healthy once.
    pub fn born(&self) -> bool {
        self.planes.first().is_some_and(|plane| plane.born)
    }
}

/// Looks at everything that belongs to `raw`.
pub async fn observe(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
) -> Result<Observed, Error> {
    let project = raw.namespace().unwrap_or_default();
    let planes = find_planes(context, raw, &project).await?;
    let mut observed = Observed {
        project_enabled: context.caches.project_enabled(&project),
        planes,
        workloads: Workloads::default(),
        members: Members::default(),
        jobs: PlaneJobs::default(),
        oldest_kubelet: OldestKubelet::NoNode,
        balancer: BalancerView::default(),
        signer_generation: String::new(),
        api_servers: String::new(),
    };
    if let Some(plane) = observed.planes.first().cloned() {
        if kubelets::matter(raw, &plane) {
            observed.oldest_kubelet = kubelets::oldest(context, key).await;
        }
        let namespace = plane.namespace.clone();
        see_workloads(context, &namespace, &mut observed);
        observed.balancer = balancer::observe(context, raw, &plane).await;
        observed.jobs = snapshots::observe(context, raw, &plane, &observed.workloads).await?;
        observed.members = members::observe(context, key, &plane, &observed.workloads).await?;
        // Only words: without them a pass can still put right what keeps it from reading pods.
        if let Err(error) = diagnose::explain(context, &namespace, &mut observed.workloads).await {
            tracing::warn!(%namespace, %error, "cannot see what keeps the pods of a control plane");
        }
    }
    Ok(observed)
}

/// Found by labels, under whatever name. The names that it most likely has are looked at first, since
/// going through all planes costs more the more tenants there are.
async fn find_planes(
    context: &Context,
    raw: &TenantCluster,
    project: &str,
) -> Result<Vec<PlaneRecord>, Error> {
    let name = raw.name_any();
    let recorded = raw.status.as_ref().and_then(|status| status.control_plane_namespace.clone());
    let is_ours = |namespace: &Namespace| {
        let labels = namespace.labels();
        labels.get(labels::TENANT_NAME) == Some(&name)
            && labels.get(labels::TENANT_NAMESPACE).is_some_and(|value| value == project)
    };
    let cache = &context.caches.planes;
    for likely in recorded.iter().cloned().chain([plane_namespace_name(project, &name)]) {
        let found = cache.get(&ObjectRef::new(&likely)).filter(|found| is_ours(found));
        if let Some(found) = found {
            return Ok(vec![PlaneRecord::read(&found)]);
        }
    }
    let found: Vec<PlaneRecord> = cache
        .state()
        .iter()
        .filter(|namespace| is_ours(namespace))
        .map(|namespace| PlaneRecord::read(namespace))
        .collect();
    match (found.is_empty(), recorded) {
        // The cache may lag behind our own write: before a plane is called lost, ask.
        (true, Some(recorded)) => {
            let all = Api::<Namespace>::all(context.manager.clients.planes.clone());
            let live = kube_ops::get(&all, &recorded).await?;
            Ok(live.iter().filter(|live| is_ours(live)).map(PlaneRecord::read).collect())
        }
        _ => Ok(found),
    }
}

fn see_workloads(context: &Context, namespace: &str, observed: &mut Observed) {
    let sets = &context.caches.stateful_sets;
    let stateful_set = |name: &str| sets.get(&ObjectRef::new(name).within(namespace));
    let api_server = ObjectRef::new(names::API_SERVER).within(namespace);
    let api_server = context.caches.deployments.get(&api_server);
    let controller_manager = stateful_set(names::CONTROLLER_MANAGER);
    observed.signer_generation = generation(controller_manager.as_ref());
    observed.api_servers = generation(api_server.as_ref());
    observed.workloads = Workloads {
        etcd: stateful_set(names::ETCD).as_ref().map(Workload::from),
        api_server: api_server.as_ref().map(Workload::from),
        controller_manager: controller_manager.as_ref().map(Workload::from),
        scheduler: stateful_set(names::SCHEDULER).as_ref().map(Workload::from),
    };
}

/// A workload's resourceVersion moves with every replica that comes or goes, and with nothing else
/// while it is left alone.
fn generation(workload: Option<&impl Resource>) -> String {
    workload.and_then(|found| found.meta().resource_version.clone()).unwrap_or_default()
}
