//! Collects what `nagaya_render::diagnosis` judges: why a workload is not settled. Looked at only while one is not,
//! and each kind of object only when it can matter.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_api::labels;
use nagaya_render::diagnosis::{Evidence, judge};
use nagaya_render::plane::names;
use nagaya_render::workloads::{Workload, Workloads};

use super::Error;
use crate::controllers::Context;
use crate::kube_ops::{self, Object};

/// More Events than a blocked plane makes in the hour that they stay.
const MOST_EVENTS: u32 = 500;

/// Adds to every workload that exists and is not settled what keeps it from being so.
pub async fn explain(
    context: &Context,
    namespace: &str,
    workloads: &mut Workloads,
) -> Result<(), Error> {
    let Workloads { etcd, api_server, controller_manager, scheduler } = workloads;
    let mut unsettled: Vec<(&str, &mut Workload)> = [
        (names::ETCD, etcd),
        (names::API_SERVER, api_server),
        (names::CONTROLLER_MANAGER, controller_manager),
        (names::SCHEDULER, scheduler),
    ]
    .into_iter()
    .filter_map(|(name, workload)| Some((name, workload.as_mut()?)))
    .filter(|(_, workload)| !workload.is_settled())
    .collect();
    if unsettled.is_empty() {
        return Ok(());
    }
    let asked: Vec<(&str, i32)> =
        unsettled.iter().map(|(name, workload)| (*name, workload.desired)).collect();
    let evidence = collect(context, namespace, &asked).await?;
    let now = context.now();
    for (name, workload) in &mut unsettled {
        workload.problem = judge(name, workload.desired, &evidence, now);
    }
    Ok(())
}

/// Pods always; claims for a pod without a node; Events for what is not even made; classes for a claim that waits.
async fn collect(
    context: &Context,
    namespace: &str,
    unsettled: &[(&str, i32)],
) -> Result<Evidence, Error> {
    let planes = &context.manager.clients.planes;
    let all = Api::<Pod>::namespaced(planes.clone(), namespace);
    let pods = kube_ops::list(&all, &ListParams::default()).await?;
    let placed = |name: &str| {
        let nodes = pods.iter().filter(|pod| {
            pod.labels().get(labels::NAME).is_some_and(|value| value == name)
                && pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
        });
        i32::try_from(nodes.count()).unwrap_or(i32::MAX)
    };
    let mut evidence = Evidence::default();
    if unsettled.iter().any(|(name, desired)| placed(name) < *desired) {
        evidence.events = events_about(planes, namespace, "StatefulSet").await;
        let claims = Api::<PersistentVolumeClaim>::namespaced(planes.clone(), namespace);
        evidence.claims = or_none(&claims, &ListParams::default()).await.unwrap_or_default();
    }
    if evidence.claims.iter().any(is_pending) {
        let about_claims = events_about(planes, namespace, "PersistentVolumeClaim").await;
        evidence.events.extend(about_claims);
        let classes = Api::<StorageClass>::all(planes.clone());
        evidence.storage_classes = or_none(&classes, &ListParams::default()).await;
    }
    let api_server = ObjectRef::new(names::API_SERVER).within(namespace);
    evidence.deployments.extend(context.caches.deployments.get(&api_server));
    evidence.pods = pods;
    Ok(evidence)
}

fn is_pending(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Pending")
}

async fn events_about(planes: &Client, namespace: &str, kind: &str) -> Vec<Event> {
    let all = Api::<Event>::namespaced(planes.clone(), namespace);
    let about = ListParams::default().fields(&format!("regarding.kind={kind}")).limit(MOST_EVENTS);
    or_none(&all, &about).await.unwrap_or_default()
}

/// What cannot be read leaves the others to say something.
async fn or_none<K>(all: &Api<K>, params: &ListParams) -> Option<Vec<K>>
where
    K: Object + Resource<DynamicType = ()>,
{
    let found = kube_ops::list(all, params).await;
    found
        .inspect_err(
            |error| tracing::warn!(%error, "cannot see all that may block a control plane"),
        )
        .ok()
}
