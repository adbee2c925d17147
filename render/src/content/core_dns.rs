//! CoreDNS as kubeadm deploys it. Source: `cmd/kubeadm/app/phases/addons/dns`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EnvVar, HostAlias, PodSpec, Service, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::{AddonResources, CorefileAdditions};

use super::ContentError;
use super::manifest::{
    KUBE_SYSTEM, build_config_map, build_service_account, fill, labelled_meta, meta, pull_secrets,
    read, requirements,
};
use super::objects::CoreDnsObjects;
use super::rbac::{
    ClusterRoleRef, build_cluster_role, build_cluster_role_binding, rule, service_account,
};
use super::yields::{CORE_DNS_RESOURCES, Field, NODE_SELECTOR, REPLICAS, TOLERATIONS};
use crate::settings::Settings;
use crate::tenant::{CoreDns, Endpoint, Tenant};

const NAME: &str = "coredns";
const CLUSTER_ROLE: &str = "system:coredns";
/// Value of the label `k8s-app`, and the Service's name, from the time before CoreDNS.
const APP: &str = "kube-dns";

/// Where `coredns-custom` is mounted.
const CUSTOM: &str = "/etc/coredns-custom";
/// The ConfigMap's name, as Gardener, k3s and AKS have it.
const CUSTOM_NAME: &str = "coredns-custom";

/// What kubeadm has the container ask for, and limits it to.
pub(crate) fn core_dns_resources() -> AddonResources {
    let quantities = |of: &[(&str, &str)]| {
        let owned =
            |(name, text): &(&str, &str)| ((*name).to_owned(), Quantity((*text).to_owned()));
        of.iter().map(owned).collect()
    };
    AddonResources {
        requests: quantities(&[("cpu", "100m"), ("memory", "70Mi")]),
        limits: quantities(&[("memory", "170Mi")]),
    }
}

pub(super) fn build_core_dns(
    tenant: &Tenant,
    spec: &CoreDns,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<CoreDnsObjects, ContentError> {
    let core = ["endpoints", "services", "pods", "namespaces"];
    let verbs = ["list", "watch"];
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
        config: build_config_map(
            meta(KUBE_SYSTEM, NAME),
            [("Corefile", corefile(tenant, &spec.corefile))],
        ),
        service: build_service(tenant)?,
        deployment: build_deployment(tenant, spec, settings, endpoint)?,
        yields: yields(spec),
    })
}

/// kubeadm's, and what is added: the order of plugins in a block does not matter to CoreDNS.
fn corefile(tenant: &Tenant, additions: &CorefileAdditions) -> String {
    let kubeadms =
        fill(include_str!("core_dns/Corefile"), &[("DNSDomain", &tenant.cluster_domain)]);
    let import = |glob: &str| {
        if additions.import_custom { format!("import {CUSTOM}/{glob}\n") } else { String::new() }
    };
    let block = kubeadms.trim_end().trim_end_matches('}');
    let (plugins, servers) = (lines(&additions.plugins), lines(&additions.servers));
    let (overrides, blocks) = (import("*.override"), import("*.server"));
    format!("{block}{plugins}{overrides}}}\n{servers}{blocks}")
}

/// The last line with its end.
fn lines(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// What is asked for is not for others to set.
fn yields(spec: &CoreDns) -> Vec<Field> {
    let mut yields = vec![TOLERATIONS, NODE_SELECTOR];
    if spec.replicas.is_none() {
        yields.push(REPLICAS);
    }
    if spec.resources.is_none() {
        yields.extend(CORE_DNS_RESOURCES);
    }
    yields
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
    spec: &CoreDns,
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
    if let (Some(deployment), Some(replicas)) = (deployment.spec.as_mut(), spec.replicas) {
        deployment.replicas = Some(replicas);
    }
    if let Some(pod) = deployment.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod.image_pull_secrets = pull_secrets(&images.pull_secrets);
        let resources = spec.resources.clone().unwrap_or_else(core_dns_resources);
        for container in &mut pod.containers {
            container.resources = Some(requirements(&resources));
        }
        if spec.corefile.import_custom {
            mount_custom(pod);
        }
        if tenant.forwarder.is_some_and(|forwarder| !forwarder.managed) {
            ask_by_name(pod, tenant, endpoint);
        }
    }
    Ok(deployment)
}

/// Whether there is such a ConfigMap or not: CoreDNS warns of a pattern that fits no file, and goes on.
fn mount_custom(pod: &mut PodSpec) {
    let source = ConfigMapVolumeSource {
        name: CUSTOM_NAME.to_owned(),
        optional: Some(true),
        ..ConfigMapVolumeSource::default()
    };
    let volume =
        Volume { name: CUSTOM_NAME.to_owned(), config_map: Some(source), ..Volume::default() };
    pod.volumes.get_or_insert_default().push(volume);
    let mount = VolumeMount {
        name: CUSTOM_NAME.to_owned(),
        mount_path: CUSTOM.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    for container in &mut pod.containers {
        container.volume_mounts.get_or_insert_default().push(mount.clone());
    }
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
