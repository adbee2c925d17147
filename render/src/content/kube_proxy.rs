//! kube-proxy as kubeadm deploys it. Source: `cmd/kubeadm/app/phases/addons/proxy` and
//! `cmd/kubeadm/app/componentconfigs/kubeproxy.go`.

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::Value;

use super::ContentError;
use super::manifest::{
    KUBE_SYSTEM, build_config_map, build_service_account, comma_separated, fill, labelled_meta,
    pull_secrets, read, requirements,
};
use super::objects::KubeProxyObjects;
use super::rbac::{
    ClusterRoleRef, NODE_TOKEN_GROUP, build_cluster_role_binding, build_config_map_reader,
    build_role_binding, group, service_account,
};
use super::yields::{NODE_SELECTOR, TOLERATIONS};
use crate::fragments;
use crate::minors::Minor;
use crate::settings::Settings;
use crate::tenant::{Endpoint, KubeProxy, Tenant};
use crate::yaml;

const NAME: &str = "kube-proxy";

pub(super) fn build_kube_proxy(
    tenant: &Tenant,
    spec: &KubeProxy,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<KubeProxyObjects, ContentError> {
    let kubeconfig =
        fill(include_str!("kube_proxy/kubeconfig.yaml"), &[("Server", &endpoint.url())]);
    Ok(KubeProxyObjects {
        service_account: build_service_account(NAME),
        cluster_role_binding: build_cluster_role_binding(
            "kubeadm:node-proxier",
            ClusterRoleRef("system:node-proxier"),
            vec![service_account(KUBE_SYSTEM, NAME)],
        ),
        role: build_config_map_reader(KUBE_SYSTEM, NAME, NAME),
        role_binding: build_role_binding(KUBE_SYSTEM, NAME, vec![group(NODE_TOKEN_GROUP)]),
        config: build_config_map(
            labelled_meta(KUBE_SYSTEM, NAME, "app", NAME),
            [
                ("config.conf", kube_proxy_configuration(tenant, spec)?),
                ("kubeconfig.conf", kubeconfig),
            ],
        ),
        daemon_set: build_daemon_set(tenant, spec, settings)?,
        yields: vec![TOLERATIONS, NODE_SELECTOR],
    })
}

/// kubeadm's defaults and then the tenant's patch, as YAML.
fn kube_proxy_configuration(tenant: &Tenant, spec: &KubeProxy) -> Result<String, ContentError> {
    let mut configuration: Value = read(
        "KubeProxyConfiguration",
        include_str!("kube_proxy/kube_proxy_configuration.yaml"),
        &[
            ("BindAddress", bind_address(tenant)),
            ("ClusterCIDR", &comma_separated(&tenant.pod_cidrs)),
            ("Mode", mode(tenant.minor)),
        ],
    )?;
    if let Some(patch) = &spec.config_patch {
        fragments::merge(&mut configuration, patch);
    }
    Ok(yaml::write(&configuration))
}

/// The wildcard of the family of the first Service network (kubeadm takes that of the API server's own
/// address, which is the same family).
fn bind_address(tenant: &Tenant) -> &'static str {
    if tenant.service_cidrs.first().is_none_or(|net| net.addr().is_ipv4()) {
        "0.0.0.0"
    } else {
        "::"
    }
}

/// kubeadm names the mode from 1.37 on, before kube-proxy's default changes.
fn mode(minor: &Minor) -> &'static str {
    if minor.minor >= 37 { "iptables" } else { "" }
}

fn build_daemon_set(
    tenant: &Tenant,
    spec: &KubeProxy,
    settings: &Settings,
) -> Result<DaemonSet, ContentError> {
    let images = &settings.addon_images;
    let image = images.resolve(&format!("registry.k8s.io/kube-proxy:{}", tenant.version));
    let mut daemon_set: DaemonSet =
        read("kube-proxy", include_str!("kube_proxy/daemon_set.yaml"), &[("Image", &image)])?;
    daemon_set.metadata = labelled_meta(KUBE_SYSTEM, NAME, "k8s-app", NAME);
    if let Some(pod) = daemon_set.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod.image_pull_secrets = pull_secrets(&images.pull_secrets);
        for container in &mut pod.containers {
            container.resources = spec.resources.as_ref().map(requirements);
        }
    }
    Ok(daemon_set)
}
