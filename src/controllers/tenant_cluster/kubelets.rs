//! The kubelets of a tenant, looked at only when its spec asks for a newer minor: they limit how far it may go.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use nagaya_api::TenantCluster;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::validate::OldestKubelet;

use crate::controllers::Context;
use crate::tenant::TenantKey;

/// A tenant that does not answer must not hold the pass up.
const DEADLINE: Duration = Duration::from_secs(5);
/// Nodes in one answer.
const PAGE: u32 = 500;

/// Whether the spec asks for a newer minor than the plane runs.
pub fn matter(raw: &TenantCluster, plane: &PlaneRecord) -> bool {
    let wanted = raw.spec.version.trim_start_matches('v').split('.').nth(1);
    let wanted: Option<u16> = wanted.and_then(|minor| minor.parse().ok());
    let running = plane.version.map(|version| version.minor);
    plane.born && wanted.zip(running).is_some_and(|(wanted, running)| wanted > running)
}

/// Asks the tenant's API server.
pub async fn oldest(context: &Context, tenant: &TenantKey) -> OldestKubelet {
    let unknown = |why: &str| OldestKubelet::Unknown(why.to_owned());
    let Some(plane) = context.planes.get(tenant) else {
        return unknown("its API server has not been reached yet");
    };
    // One that is known to be silent is not waited for: that it is has to show in time.
    if context.prober.store().get(tenant).is_some_and(|seen| seen.report.unreachable()) {
        return unknown("its API server does not answer");
    }
    match tokio::time::timeout(DEADLINE, list(&plane.client)).await {
        Err(_) => unknown("its API server does not answer"),
        Ok(Err(error)) => unknown(&error.to_string()),
        Ok(Ok(nodes)) => oldest_of(&nodes),
    }
}

async fn list(client: &Client) -> Result<Vec<Node>, kube::Error> {
    let all = Api::<Node>::all(client.clone());
    let mut nodes = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let found = all.list(&page).await?;
        nodes.extend(found.items);
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(nodes),
        }
    }
}

fn oldest_of(nodes: &[Node]) -> OldestKubelet {
    let version = |node: &Node| -> Option<KubernetesVersion> {
        // A vendor's build adds to it: v1.36.3+k3s1, v1.36.3-gke.1.
        let told = &node.status.as_ref()?.node_info.as_ref()?.kubelet_version;
        told.split(['+', '-']).next()?.parse().ok()
    };
    // A node whose kubelet has not said anything yet does not run pods either.
    let known = nodes.iter().filter_map(|node| Some((version(node)?, node.name_any())));
    match known.min() {
        Some((version, node)) => OldestKubelet::Known { node, version },
        None => OldestKubelet::NoNode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, kubelet: &str) -> Node {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name},
            "status": {"nodeInfo": {
                "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": kubelet, "machineID": "",
                "operatingSystem": "", "osImage": "", "systemUUID": "",
            }},
        }))
        .unwrap()
    }

    #[test]
    fn the_oldest_kubelet_is_found_whatever_a_vendor_calls_it() {
        let nodes = [node("a", "v1.37.1"), node("b", "v1.35.4+k3s1"), node("c", "")];
        let version = KubernetesVersion { minor: 35, patch: 4 };
        assert_eq!(oldest_of(&nodes), OldestKubelet::Known { node: "b".to_owned(), version });
        assert_eq!(oldest_of(&[node("c", "")]), OldestKubelet::NoNode);
    }
}
