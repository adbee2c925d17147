//! The forwarder on every node of a tenant behind the gateway: pods that ask for `kubernetes.default` name no host, or one
//! that is every tenant's, and the forwarder says to the gateway whose they are.
//!
//! It asks nobody: neither a Service, nor DNS, nor the API server, so that it is there before what needs it.

use std::net::SocketAddr;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::ContentError;
use super::manifest::{KUBE_SYSTEM, labelled_meta, pull_secrets, read};
use super::objects::ForwarderObjects;
use crate::settings::Settings;
use crate::tenant::{Endpoint, Forwarder, Tenant};

const NAME: &str = "nagaya-forwarder";
/// Port of [`Forwarder::address`] that `default/kubernetes` leads to. Not 443: whoever listens there on all addresses of a
/// node, as ingress controllers do, would take it away. Neither a node port nor one that the kernel gives out.
pub(super) const PORT: u16 = 20443;
/// What the kubelet asks; at the same address, which only the node itself has.
const HEALTH_PORT: u16 = 20444;

pub(super) fn build_forwarder(
    tenant: &Tenant,
    forwarder: Forwarder,
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<ForwarderObjects, ContentError> {
    let images = &settings.addon_images;
    let image = images.resolve(&settings.gateway.forwarder.image);
    let at = |port| SocketAddr::new(forwarder.address, port).to_string();
    let gateways = tenant.exposure.addresses.iter();
    let gateways: Vec<String> =
        gateways.map(|address| SocketAddr::new(*address, endpoint.port).to_string()).collect();
    let mut daemon_set: DaemonSet = read(
        "the forwarder",
        include_str!("forwarder/daemon_set.yaml"),
        &[
            ("Image", &image),
            ("Listen", &at(PORT)),
            ("Health", &at(HEALTH_PORT)),
            ("Gateway", &gateways.join(",")),
            ("Authority", &endpoint.host),
            ("Address", &forwarder.address.to_string()),
            ("HealthPort", &HEALTH_PORT.to_string()),
        ],
    )?;
    daemon_set.metadata = labelled_meta(KUBE_SYSTEM, NAME, "k8s-app", NAME);
    if let Some(pod) = daemon_set.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod.image_pull_secrets = pull_secrets(&images.pull_secrets);
    }
    Ok(ForwarderObjects { daemon_set })
}
