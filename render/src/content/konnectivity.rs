//! The tunnel's agents, as `sigs.k8s.io/apiserver-network-proxy` shows them (`examples/kubernetes/konnectivity-agent.yaml`), on every
//! node; and what the server may do in the tenant.

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::HostAlias;

use super::ContentError;
use super::manifest::{KUBE_SYSTEM, build_service_account, labelled_meta, pull_secrets, read};
use super::objects::{KonnectivityAgents, KonnectivityObjects};
use super::rbac::{ClusterRoleRef, build_cluster_role_binding, user};
use crate::settings::Settings;
use crate::tenant::{Endpoint, Tenant};
use crate::tunnel::{AGENT, KEEPALIVE, SERVER_USER};

/// `None`: there is no tunnel.
pub(super) fn build_konnectivity(
    tenant: &Tenant,
    settings: &Settings,
) -> Result<Option<KonnectivityObjects>, ContentError> {
    let Some((server, gateway)) = tenant.tunnel_endpoint() else { return Ok(None) };
    let agents = tenant.tunnel_agents.then(|| build_agents(tenant, settings, &server, gateway));
    Ok(Some(KonnectivityObjects {
        server: build_cluster_role_binding(
            SERVER_USER,
            ClusterRoleRef("system:auth-delegator"),
            vec![user(SERVER_USER)],
        ),
        agents: agents.transpose()?,
    }))
}

fn build_agents(
    tenant: &Tenant,
    settings: &Settings,
    server: &Endpoint,
    gateway: &[IpAddr],
) -> Result<KonnectivityAgents, ContentError> {
    let images = &settings.addon_images;
    let image = images.resolve(&format!(
        "registry.k8s.io/kas-network-proxy/proxy-agent:{}",
        tenant.minor.konnectivity
    ));
    let mut daemon_set: DaemonSet = read(
        "the agents' DaemonSet",
        include_str!("konnectivity/daemon_set.yaml"),
        &[
            ("Image", &image),
            ("Host", &server.host),
            ("Port", &server.port.to_string()),
            ("Audience", SERVER_USER),
            ("KeepAlive", KEEPALIVE),
        ],
    )?;
    daemon_set.metadata = labelled_meta(KUBE_SYSTEM, AGENT, "k8s-app", AGENT);
    if let Some(pod) = daemon_set.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        pod.image_pull_secrets = pull_secrets(&images.pull_secrets);
        // A name below the endpoint's may be in nobody's DNS.
        let alias = |address: &IpAddr| HostAlias {
            ip: address.to_string(),
            hostnames: Some(vec![server.host.clone()]),
        };
        let aliases: Vec<HostAlias> = gateway.iter().map(alias).collect();
        pod.host_aliases = (!aliases.is_empty()).then_some(aliases);
    }
    Ok(KonnectivityAgents { service_account: build_service_account(AGENT), daemon_set })
}
