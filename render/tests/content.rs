//! Goldens of every object in a tenant cluster. A change here changes running tenants: read the diff.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod tenant_objects;

use nagaya_api::CorefileAdditions;
use nagaya_render::minors::{MINORS, Minor};
use nagaya_render::settings::{ImageSource, Settings};
use nagaya_render::tenant::{CoreDns, Forwarder, KubeProxy, Tenant};
use serde_json::{Value, json};

const CA: &str = "-----BEGIN CERTIFICATE-----\nnot one, but as opaque\n-----END CERTIFICATE-----\n";

fn objects(tenant: &Tenant, settings: &Settings) -> Vec<Value> {
    tenant_objects::tenant_objects(tenant, settings, CA)
}

fn golden(objects: &[Value]) -> String {
    let documents: Vec<String> =
        objects.iter().map(|object| serde_yaml_ng::to_string(object).unwrap()).collect();
    documents.join("---\n")
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn every_object_of_each_minor_is_as_reviewed() {
    for minor in MINORS {
        let objects = objects(&fixture::tenant(minor), &Settings::default());
        insta::assert_snapshot!(format!("content-1.{}", minor.minor), golden(&objects));
    }
}

#[test]
fn every_object_of_a_tenant_that_sets_everything_is_as_reviewed() {
    let mut tenant = fixture::tenant(Minor::find(37).unwrap());
    tenant.pod_cidrs = vec!["fd00:10::/56".parse().unwrap(), "10.44.0.0/16".parse().unwrap()];
    tenant.service_cidrs = vec!["fd00:20::/112".parse().unwrap(), "10.45.0.0/16".parse().unwrap()];
    tenant.cluster_domain = "acme.example".to_owned();
    tenant.exposure.host = Some("demo.acme.clouds.example".to_owned());
    tenant.exposure.addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]
        .map(|address| address.parse().unwrap())
        .to_vec();
    tenant.kubelet_patch = Some(json!({
        "cgroupDriver": "cgroupfs",
        "evictionHard": {"memory.available": "5%"},
        "registerWithTaints": [{"key": "acme.example/new", "value": "yes", "effect": "NoSchedule"}],
    }));
    tenant.kube_proxy = Some(KubeProxy {
        config_patch: Some(json!({"conntrack": {"maxPerCore": 0, "min": null}})),
        ..KubeProxy::default()
    });
    let settings = Settings {
        addon_images: ImageSource {
            rewrite: [("registry.k8s.io".to_owned(), "mirror.example/k8s".to_owned())].into(),
            pull_secrets: vec!["mirror".to_owned()],
            ..ImageSource::default()
        },
        ..Settings::default()
    };
    insta::assert_snapshot!("content-everything", golden(&objects(&tenant, &settings)));
}

/// What differs from others: both addons' workloads, and the Corefile.
#[test]
fn addons_that_are_customised_are_as_reviewed() {
    let mut tenant = fixture::newest_tenant();
    let resources = |json: Value| Some(serde_json::from_value(json).unwrap());
    tenant.kube_proxy = Some(KubeProxy {
        config_patch: Some(json!({"mode": "nftables"})),
        resources: resources(json!({"requests": {"cpu": "50m"}})),
    });
    tenant.core_dns = Some(CoreDns {
        replicas: Some(3),
        resources: resources(json!({"limits": {"memory": "300Mi"}})),
        corefile: CorefileAdditions {
            plugins: "    hosts {\n        192.0.2.5 db.corp\n        fallthrough\n    }"
                .to_owned(),
            servers: "corp.example:53 {\n    forward . 192.0.2.53\n}\n".to_owned(),
            import_custom: true,
        },
    });
    let objects = objects(&tenant, &Settings::default());
    let wanted = [("ConfigMap", "coredns"), ("Deployment", "coredns"), ("DaemonSet", "kube-proxy")];
    let of_addons = wanted.map(|(kind, name)| find(&objects, kind, name).clone());
    insta::assert_snapshot!("content-addons", golden(&of_addons));
}

/// What it has beyond others: the tunnel's agents.
#[test]
fn every_object_of_a_tenant_behind_the_gateway_is_as_reviewed() {
    let objects = objects(&fixture::tenant_behind_the_gateway(), &Settings::default());
    let of_the_tunnel = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        name.contains("konnectivity")
    };
    let objects: Vec<Value> = objects.iter().filter(of_the_tunnel).cloned().collect();
    insta::assert_snapshot!("content-tunnel", golden(&objects));
}

#[test]
fn every_object_carries_the_label_by_which_it_is_watched() {
    for object in objects(&fixture::newest_tenant(), &Settings::default()) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "nagaya", "{object}");
    }
}

#[test]
fn addons_that_are_not_managed_are_neither_written_nor_claimed() {
    let mut tenant = fixture::newest_tenant();
    tenant.kube_proxy = None;
    tenant.core_dns = None;
    let objects = objects(&tenant, &Settings::default());
    for name in ["kube-proxy", "coredns", "kube-dns", "system:coredns", "kubeadm:node-proxier"] {
        assert!(objects.iter().all(|object| object["metadata"]["name"] != name), "{name}");
    }
    let config = find(&objects, "ConfigMap", "kubeadm-config");
    let config = config["data"]["ClusterConfiguration"].as_str().unwrap();
    let config: Value = serde_yaml_ng::from_str(config).unwrap();
    assert_eq!(config["dns"], json!({"disabled": true}));
    assert_eq!(config["proxy"], json!({"disabled": true}));
}

#[test]
fn what_a_joining_kubeadm_reads_first_comes_before_the_addons() {
    let objects = objects(&fixture::newest_tenant(), &Settings::default());
    let position = |kind: &str, name: &str| {
        let wanted = find(&objects, kind, name);
        objects.iter().position(|object| object == wanted).unwrap()
    };
    assert!(position("ConfigMap", "cluster-info") < position("ConfigMap", "kubelet-config"));
    assert!(position("EndpointSlice", "kubernetes") < position("DaemonSet", "kube-proxy"));
    assert!(position("Endpoints", "kubernetes") < position("Deployment", "coredns"));
}

#[test]
fn the_api_endpoints_are_of_the_family_of_the_service_and_else_of_what_there_is() {
    let addresses = |service: &str, addresses: &[&str]| {
        let mut tenant = fixture::newest_tenant();
        tenant.service_cidrs = vec![service.parse().unwrap()];
        tenant.exposure.addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let objects = objects(&tenant, &Settings::default());
        let slice = find(&objects, "EndpointSlice", "kubernetes").clone();
        let ips: Vec<Value> = slice["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|endpoint| endpoint["addresses"][0].clone())
            .collect();
        (slice["addressType"].clone(), ips)
    };
    let both = ["2001:db8::1", "192.0.2.1"];
    assert_eq!(addresses("10.96.0.0/12", &both), (json!("IPv4"), vec![json!("192.0.2.1")]));
    assert_eq!(addresses("fd00:20::/112", &both), (json!("IPv6"), vec![json!("2001:db8::1")]));
    assert_eq!(
        addresses("10.96.0.0/12", &["2001:db8::1"]),
        (json!("IPv6"), vec![json!("2001:db8::1")])
    );
}

#[test]
fn pods_keep_the_former_endpoint_as_long_as_it_leads_by_an_address_and_the_gateway_does_not() {
    let mut tenant = fixture::tenant_that_moved_to_the_gateway();
    let led = |tenant: &Tenant| {
        let objects = objects(tenant, &Settings::default());
        let slice = find(&objects, "EndpointSlice", "kubernetes");
        (slice["endpoints"][0]["addresses"][0].clone(), slice["ports"][0]["port"].clone())
    };
    assert_eq!(led(&tenant), (json!("172.30.0.1"), json!(30_443)));
    tenant.exposure.moves.former = None;
    assert_eq!(led(&tenant), (json!("240.110.97.103"), json!(20_443)));
}

#[test]
fn every_object_of_a_tenant_behind_the_gateway_that_differs_is_as_reviewed() {
    let tenant = fixture::tenant_behind_the_gateway();
    let mut near = tenant.clone();
    near.forwarder = None;
    let settings = Settings {
        addon_images: ImageSource {
            rewrite: [("ghcr.io/nagaya-dev".to_owned(), "mirror.example/nagaya".to_owned())].into(),
            pull_secrets: vec!["mirror".to_owned()],
            ..ImageSource::default()
        },
        ..Settings::default()
    };
    let others = objects(&near, &settings);
    let differ = |object: &Value| !others.contains(object);
    let differing: Vec<Value> = objects(&tenant, &settings).into_iter().filter(differ).collect();
    insta::assert_snapshot!("content-gateway", golden(&differing));
}

/// Who asks the gateway by an address, or by a name that is every cluster's, is led nowhere without the forwarder.
#[test]
fn behind_the_gateway_pods_ask_their_node_and_the_forwarder_asks_every_gateway_by_address() {
    let mut tenant = fixture::tenant_behind_the_gateway();
    tenant.exposure.addresses.push("2001:db8::7".parse().unwrap());
    let objects = objects(&tenant, &Settings::default());
    let slice = find(&objects, "EndpointSlice", "kubernetes");
    let endpoints = &find(&objects, "Endpoints", "kubernetes")["subsets"][0];
    assert_eq!(slice["endpoints"][0]["addresses"], json!(["240.110.97.103"]));
    assert_eq!(endpoints["addresses"], json!([{"ip": "240.110.97.103"}]));
    for ports in [&slice["ports"], &endpoints["ports"]] {
        assert_eq!(ports[0]["port"], 20443);
    }
    let daemon_set = find(&objects, "DaemonSet", "nagaya-forwarder");
    let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
    let words = json!([
        "--listen=240.110.97.103:20443",
        "--health=240.110.97.103:20444",
        "--gateway=198.51.100.7:443,[2001:db8::7]:443",
        "--authority=demo.acme.k8s.example.com",
    ]);
    assert_eq!(container["args"], words);
    // kube-proxy comes before it, and asks by the endpoint's name.
    let kubeconfig = find(&objects, "ConfigMap", "kube-proxy")["data"]["kubeconfig.conf"].clone();
    let server = "https://demo.acme.k8s.example.com:443";
    assert!(kubeconfig.as_str().unwrap().contains(server), "{kubeconfig}");
    let core_dns = &find(&objects, "Deployment", "coredns")["spec"]["template"]["spec"];
    assert_eq!(core_dns["hostAliases"], Value::Null);
}

#[test]
fn a_forwarder_that_is_not_managed_is_not_written_and_dns_does_not_wait_for_it() {
    let mut tenant = fixture::tenant_behind_the_gateway();
    tenant.forwarder = tenant.forwarder.map(|one| Forwarder { managed: false, ..one });
    let objects = objects(&tenant, &Settings::default());
    assert!(objects.iter().all(|object| object["metadata"]["name"] != "nagaya-forwarder"));
    let slice = find(&objects, "EndpointSlice", "kubernetes");
    assert_eq!(slice["endpoints"][0]["addresses"], json!(["240.110.97.103"]));
    let pod = &find(&objects, "Deployment", "coredns")["spec"]["template"]["spec"];
    let alias = json!({"ip": "198.51.100.7", "hostnames": ["demo.acme.k8s.example.com"]});
    assert_eq!(pod["hostAliases"], json!([alias]));
    let variables = json!([
        {"name": "KUBERNETES_SERVICE_HOST", "value": "demo.acme.k8s.example.com"},
        {"name": "KUBERNETES_SERVICE_PORT", "value": "443"},
    ]);
    assert_eq!(pod["containers"][0]["env"], variables);
}
