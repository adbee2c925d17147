//! Every object of a tenant cluster as a list, for tests that look at all of them.

use nagaya_pki::BootstrapToken;
use nagaya_render::content::{
    Administration, ApiEndpoints, ContentInputs, ContentObjects, CoreDnsObjects, Discovery,
    ForwarderObjects, KonnectivityAgents, KonnectivityObjects, KubeProxyObjects, NodeBootstrap,
    NodeConfigs, build_content,
};
use nagaya_render::settings::Settings;
use nagaya_render::tenant::Tenant;
use serde_json::{Value, json};

/// Everything that Nagaya applies into `tenant`, in its order.
pub fn tenant_objects(tenant: &Tenant, settings: &Settings, ca_bundle: &str) -> Vec<Value> {
    let endpoint = tenant.endpoint().expect("the fixture has a port");
    let signing_token = BootstrapToken::from_parts("nagaya", "fedcba9876543210").expect("a token");
    let inputs = ContentInputs {
        endpoint: &endpoint,
        cluster_ca_bundle_pem: ca_bundle,
        signing_token: &signing_token,
    };
    list(build_content(tenant, settings, &inputs).expect("a valid tenant has content"))
}

fn list(content: ContentObjects) -> Vec<Value> {
    let ContentObjects {
        discovery:
            Discovery { signing_token, cluster_info, cluster_info_role, cluster_info_role_binding },
        node_configs:
            NodeConfigs {
                kubeadm_config,
                kubeadm_config_role,
                kubeadm_config_role_binding,
                kubelet_config,
                kubelet_config_role,
                kubelet_config_role_binding,
            },
        node_bootstrap:
            NodeBootstrap {
                get_nodes,
                get_nodes_binding,
                kubelet_bootstrap,
                approve_bootstrap,
                approve_rotation,
            },
        administration: Administration { kubeadm_cluster_admins, kubelet_client, admin },
        api_endpoints: ApiEndpoints { endpoints, endpoint_slice },
        forwarder,
        kube_proxy,
        core_dns,
        konnectivity,
    } = content;
    let mut objects = vec![
        json!(signing_token),
        json!(cluster_info),
        json!(cluster_info_role),
        json!(cluster_info_role_binding),
        json!(kubeadm_config),
        json!(kubeadm_config_role),
        json!(kubeadm_config_role_binding),
        json!(kubelet_config),
        json!(kubelet_config_role),
        json!(kubelet_config_role_binding),
        json!(get_nodes),
        json!(get_nodes_binding),
        json!(kubelet_bootstrap),
        json!(approve_bootstrap),
        json!(approve_rotation),
        json!(kubeadm_cluster_admins),
        json!(kubelet_client),
        json!(admin),
        json!(endpoints),
        json!(endpoint_slice),
    ];
    objects.extend(forwarder.map(|ForwarderObjects { daemon_set }| json!(daemon_set)));
    objects.extend(kube_proxy.into_iter().flat_map(list_kube_proxy));
    objects.extend(core_dns.into_iter().flat_map(list_core_dns));
    objects.extend(konnectivity.into_iter().flat_map(list_konnectivity));
    objects
}

fn list_kube_proxy(objects: KubeProxyObjects) -> [Value; 6] {
    let KubeProxyObjects {
        service_account,
        cluster_role_binding,
        role,
        role_binding,
        config,
        daemon_set,
        yields: _,
    } = objects;
    [
        json!(service_account),
        json!(cluster_role_binding),
        json!(role),
        json!(role_binding),
        json!(config),
        json!(daemon_set),
    ]
}

fn list_core_dns(objects: CoreDnsObjects) -> [Value; 6] {
    let CoreDnsObjects {
        service_account,
        cluster_role,
        cluster_role_binding,
        config,
        service,
        deployment,
        yields: _,
    } = objects;
    [
        json!(service_account),
        json!(cluster_role),
        json!(cluster_role_binding),
        json!(config),
        json!(service),
        json!(deployment),
    ]
}

fn list_konnectivity(objects: KonnectivityObjects) -> Vec<Value> {
    let KonnectivityObjects { server, agents } = objects;
    let agents = agents.map(|KonnectivityAgents { service_account, daemon_set }| {
        [json!(service_account), json!(daemon_set)]
    });
    [json!(server)].into_iter().chain(agents.into_iter().flatten()).collect()
}
