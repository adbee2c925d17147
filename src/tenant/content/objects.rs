//! The content of a tenant as a plain list, in groups: what a joining kubeadm reads first, then what
//! CoreDNS needs before it starts, then what runs on nodes.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::core::{ApiResource, DynamicObject};
use kube::{Resource, ResourceExt};
use nagaya_render::content::{
    Administration, ApiEndpoints, ContentObjects, CoreDnsObjects, Discovery, Field,
    ForwarderObjects, KonnectivityAgents, KonnectivityObjects, KubeProxyObjects, NodeBootstrap,
    NodeConfigs,
};
use serde::Serialize;

use crate::kube_ops::Error;

/// An object of any kind, ready to be applied.
#[derive(Debug)]
pub(super) struct TenantObject {
    /// `Kind namespace/name`.
    pub(super) id: String,
    pub(super) resource: ApiResource,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) body: DynamicObject,
    /// Fields of the body that whoever sets them keeps.
    pub(super) yields: Vec<Field>,
    /// Of the body, to tell other content.
    pub(super) digest: u64,
}

/// Every kind that content is made of: what the watches look at.
pub(crate) const WATCHED_KINDS: [fn() -> ApiResource; 12] = [
    resource::<Secret>,
    resource::<ConfigMap>,
    resource::<Role>,
    resource::<RoleBinding>,
    resource::<ClusterRole>,
    resource::<ClusterRoleBinding>,
    resource::<ServiceAccount>,
    resource::<Service>,
    resource::<Endpoints>,
    resource::<EndpointSlice>,
    resource::<DaemonSet>,
    resource::<Deployment>,
];

fn resource<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

/// `Kind namespace/name`, or `Kind name`.
pub(crate) fn id(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Every object, group by group. Destructured without `..`: an object that is not applied does not
/// compile.
pub(super) fn groups(content: &ContentObjects) -> Result<[Vec<TenantObject>; 3], Error> {
    let ContentObjects {
        discovery,
        node_configs,
        node_bootstrap,
        administration,
        api_endpoints,
        forwarder,
        kube_proxy,
        core_dns,
        konnectivity,
    } = content;
    let mut join = discovery_objects(discovery)?;
    join.extend(node_config_objects(node_configs)?);
    join.extend(node_bootstrap_objects(node_bootstrap)?);
    join.extend(administration_objects(administration)?);
    let ApiEndpoints { endpoints, endpoint_slice } = api_endpoints;
    let api = vec![object(endpoints)?, object(endpoint_slice)?];
    let mut addons = Vec::new();
    if let Some(ForwarderObjects { daemon_set }) = forwarder {
        addons.push(object(daemon_set)?);
    }
    if let Some(kube_proxy) = kube_proxy {
        addons.extend(kube_proxy_objects(kube_proxy)?);
    }
    if let Some(core_dns) = core_dns {
        addons.extend(core_dns_objects(core_dns)?);
    }
    if let Some(konnectivity) = konnectivity {
        addons.extend(konnectivity_objects(konnectivity)?);
    }
    Ok([join, api, addons])
}

fn discovery_objects(part: &Discovery) -> Result<Vec<TenantObject>, Error> {
    let Discovery { signing_token, cluster_info, cluster_info_role, cluster_info_role_binding } =
        part;
    Ok(vec![
        object(signing_token)?,
        object(cluster_info)?,
        object(cluster_info_role)?,
        object(cluster_info_role_binding)?,
    ])
}

fn node_config_objects(part: &NodeConfigs) -> Result<Vec<TenantObject>, Error> {
    let NodeConfigs {
        kubeadm_config,
        kubeadm_config_role,
        kubeadm_config_role_binding,
        kubelet_config,
        kubelet_config_role,
        kubelet_config_role_binding,
    } = part;
    Ok(vec![
        object(kubeadm_config)?,
        object(kubeadm_config_role)?,
        object(kubeadm_config_role_binding)?,
        object(kubelet_config)?,
        object(kubelet_config_role)?,
        object(kubelet_config_role_binding)?,
    ])
}

fn node_bootstrap_objects(part: &NodeBootstrap) -> Result<Vec<TenantObject>, Error> {
    let NodeBootstrap {
        get_nodes,
        get_nodes_binding,
        kubelet_bootstrap,
        approve_bootstrap,
        approve_rotation,
    } = part;
    Ok(vec![
        object(get_nodes)?,
        object(get_nodes_binding)?,
        object(kubelet_bootstrap)?,
        object(approve_bootstrap)?,
        object(approve_rotation)?,
    ])
}

fn administration_objects(part: &Administration) -> Result<Vec<TenantObject>, Error> {
    let Administration { kubeadm_cluster_admins, kubelet_client, admin } = part;
    Ok(vec![object(kubeadm_cluster_admins)?, object(kubelet_client)?, object(admin)?])
}

fn kube_proxy_objects(part: &KubeProxyObjects) -> Result<Vec<TenantObject>, Error> {
    let KubeProxyObjects {
        service_account,
        cluster_role_binding,
        role,
        role_binding,
        config,
        daemon_set,
        yields,
    } = part;
    let daemon_set = yielding(daemon_set, yields)?;
    Ok(vec![
        object(service_account)?,
        object(cluster_role_binding)?,
        object(role)?,
        object(role_binding)?,
        object(config)?,
        daemon_set,
    ])
}

fn core_dns_objects(part: &CoreDnsObjects) -> Result<Vec<TenantObject>, Error> {
    let CoreDnsObjects {
        service_account,
        cluster_role,
        cluster_role_binding,
        config,
        service,
        deployment,
        yields,
    } = part;
    let deployment = yielding(deployment, yields)?;
    Ok(vec![
        object(service_account)?,
        object(cluster_role)?,
        object(cluster_role_binding)?,
        object(config)?,
        object(service)?,
        deployment,
    ])
}

fn konnectivity_objects(part: &KonnectivityObjects) -> Result<Vec<TenantObject>, Error> {
    let KonnectivityObjects { server, agents } = part;
    let mut objects = vec![object(server)?];
    if let Some(KonnectivityAgents { service_account, daemon_set }) = agents {
        objects.extend([object(service_account)?, object(daemon_set)?]);
    }
    Ok(objects)
}

fn object<K>(typed: &K) -> Result<TenantObject, Error>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    yielding(typed, &[])
}

/// Another object as well where only what it yields is other: what is ours again has to be put back.
fn yielding<K>(typed: &K, yields: &[Field]) -> Result<TenantObject, Error>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let resource = resource::<K>();
    let (namespace, name) = (typed.namespace(), typed.name_any());
    let id = id(&resource.kind, namespace.as_deref(), &name);
    let unrenderable = |error: serde_json::Error| Error::RenderObject {
        object: id.clone(),
        why: error.to_string(),
    };
    let json = serde_json::to_value(typed).map_err(unrenderable)?;
    let mut hasher = DefaultHasher::new();
    json.to_string().hash(&mut hasher);
    yields.hash(&mut hasher);
    let body = serde_json::from_value(json).map_err(unrenderable)?;
    let (yields, digest) = (yields.to_vec(), hasher.finish());
    Ok(TenantObject { id, resource, namespace, name, body, yields, digest })
}
