//! CoreDNS as kubeadm deploys it. Source: `cmd/kubeadm/app/phases/addons/dns`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{EnvVar, HostAlias, PodSpec, Service};

use super::ContentError;
use super::manifest::{
    KUBE_SYSTEM, build_config_map, build_service_account, fill, labelled_meta, meta, pull_secrets,
    read,
};
use super::objects::CoreDnsObjects;
use super::rbac::{
    ClusterRoleRef, build_cluster_role, build_cluster_role_binding, rule, service_account,
};
use crate::settings::Settings;
use crate::tenant::{Endpoint, Tenant};

const NAME: &str = "coredns";
const CLUSTER_ROLE: &str = "system:coredns";
/// Value of the label `k8s-app`, and the Service's name, from the time before CoreDNS.
const APP: &str = "kube-dns";

pub(super) fn build_core_dns(
    tenant: &Tenant,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<CoreDnsObjects, ContentError> {
    let core = ["endpoints", "services", "pods", "namespaces"];
    let verbs = ["list", "watch"];
    let corefile =
        fill(include_str!("core_dns/Corefile"), &[("DNSDomain", &tenant.cluster_domain)]);
    Ok(CoreDnsObjects {
        service_account: build_service_account(NAME),
        cluster_role: build_cluster_role(
            CLUSTER_ROLE,
            vec![rule("", &core, &verbs), rule("discovery.k8s.io", &["endpointslices"], &verbs)],
        ),
        cluster_role_binding: build_cluster_role_binding(
            CLUSTER_ROLE,
            ClusterRoleRef(CLUSTER_ROLE),
            vec![service_account(KUBE_SYSTEM, NAME)],
        ),
        config: build_config_map(meta(KUBE_SYSTEM, NAME), [("Corefile", corefile)]),
        service: build_service(tenant)?,
        deployment: build_deployment(tenant, settings, endpoint)?,
    })
}

fn build_service(tenant: &Tenant) -> Result<Service, ContentError> {
    let ip = tenant.dns_ip().ok_or(ContentError::NoDnsAddress)?.to_string();
    let mut service: Service =
        read("the CoreDNS Service", include_str!("core_dns/service.yaml"), &[("DNSIP", &ip)])?;
    service.metadata = labelled_meta(KUBE_SYSTEM, APP, "k8s-app", APP);
    service.metadata.labels.get_or_insert_default().extend(owned([
        ("kubernetes.io/cluster-service", "true"),
        ("kubernetes.io/name", "CoreDNS"),
    ]));
    service.metadata.annotations =
        Some(owned([("prometheus.io/port", "9153"), ("prometheus.io/scrape", "true")]));
    Ok(service)
}

fn build_deployment(
    tenant: &Tenant,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<Deployment, ContentError> {
    let images = &settings.addon_images;
    let image =
        images.resolve(&format!("registry.k8s.io/coredns/coredns:{}", tenant.minor.core_dns));
    let mut deployment: Deployment = read(
        "the CoreDNS Deployment",
        include_str!("core_dns/deployment.yaml"),
        &[("Image", &image)],
    )?;
    deployment.metadata = labelled_meta(KUBE_SYSTEM, NAME, "k8s-app", APP);
    if let Some(pod) = deployment.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod.image_pull_secrets = pull_secrets(&images.pull_secrets);
        if tenant.forwarder.is_some_and(|forwarder| !forwarder.managed) {
            ask_by_name(pod, tenant, endpoint);
        }
    }
    Ok(deployment)
}

/// Where the forwarder is somebody else's, the cluster's DNS does not wait for it: client-go takes the host from these
/// variables instead of the address of default/kubernetes (`rest.InClusterConfig`). No DNS is needed to find it.
fn ask_by_name(pod: &mut PodSpec, tenant: &Tenant, endpoint: &Endpoint) {
    let Endpoint { host, port } = endpoint;
    let alias = |address: &IpAddr| HostAlias {
        ip: address.to_string(),
        hostnames: Some(vec![host.clone()]),
    };
    pod.host_aliases = Some(tenant.exposure.addresses.iter().map(alias).collect());
    let variables =
        [("KUBERNETES_SERVICE_HOST", host.clone()), ("KUBERNETES_SERVICE_PORT", port.to_string())];
    let variables = variables.map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    });
    for container in &mut pod.containers {
        container.env.get_or_insert_default().extend(variables.clone());
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
