//! What `manifests/monitoring/` scrapes in a control plane is there: labels, ports, and the keys of the credential.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper fails the test")]

mod fixture;

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use nagaya_render::certificates::{
    Authorities, build_authority_secret, missing_authorities, plan_leaves,
};
use nagaya_render::settings::Settings;
use serde::Deserialize as _;
use serde_json::Value;

fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/monitoring").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

/// The pod monitors; the service monitor is of the manager.
fn pod_monitors() -> Vec<Value> {
    let mut all = [documents("monitors.yaml"), documents("tenant.yaml")].concat();
    all.retain(|monitor| monitor["kind"] == "PodMonitor");
    assert_eq!(all.len(), 4);
    all
}

/// The pods that all of these labels select.
fn selected(labels: &Value) -> PodTemplateSpec {
    let templates =
        fixture::objects::templates(&fixture::newest_tenant(), &Settings::default()).into_iter();
    let mut found: Vec<PodTemplateSpec> = templates
        .map(|(_, template)| template)
        .filter(|template| {
            let has = template.metadata.clone().unwrap_or_default().labels.unwrap_or_default();
            labels
                .as_object()
                .unwrap()
                .iter()
                .all(|(key, value)| has.get(key).is_some_and(|has| value == has))
        })
        .collect();
    assert_eq!(found.len(), 1, "{labels} selects {} workloads", found.len());
    found.remove(0)
}

/// The port of the probe of a container: components serve their metrics beside it.
fn probed_port(template: &PodTemplateSpec, container: &str) -> String {
    let spec = template.spec.as_ref().unwrap();
    let container = spec.containers.iter().find(|one| one.name == container).unwrap();
    let probe = container.liveness_probe.as_ref().and_then(|probe| probe.http_get.as_ref());
    serde_json::to_value(&probe.unwrap().port).unwrap().to_string()
}

fn assert_port_is_there(template: &PodTemplateSpec, named: Option<&str>, relabelings: &[Value]) {
    let spec = template.spec.as_ref().unwrap();
    if let Some(named) = named {
        let mut ports = spec.containers.iter().flat_map(|one| one.ports.iter().flatten());
        assert!(ports.any(|port| port.name.as_deref() == Some(named)), "no port {named}");
        return;
    }
    let container = relabelings.iter().find(|one| one["action"] == "keep").unwrap();
    let port = probed_port(template, container["regex"].as_str().unwrap());
    let wanted = format!("$1:{port}");
    assert!(relabelings.iter().any(|one| one["replacement"] == *wanted), "{wanted} is not scraped");
}

#[test]
fn each_pod_monitor_finds_its_pods_and_their_port() {
    for monitor in pod_monitors() {
        let template = selected(&monitor["spec"]["selector"]["matchLabels"]);
        for endpoint in monitor["spec"]["podMetricsEndpoints"].as_array().unwrap() {
            let relabelings = endpoint["relabelings"].as_array().unwrap();
            assert_port_is_there(&template, endpoint["port"].as_str(), relabelings);
        }
    }
}

#[test]
fn the_plain_configuration_finds_the_same_pods_and_ports() {
    let config = documents("prometheus.yaml").remove(0);
    let jobs = config["scrape_configs"].as_array().unwrap().clone();
    let of_pods = jobs.iter().filter(|job| job["kubernetes_sd_configs"][0]["role"] == "pod");
    let mut found = 0;
    for job in of_pods {
        let selector = &job["kubernetes_sd_configs"][0]["selectors"][0]["label"];
        let labels = selector.as_str().unwrap().split(',').map(|one| one.split_once('=').unwrap());
        let labels: serde_json::Map<String, Value> =
            labels.map(|(key, value)| (key.to_owned(), value.into())).collect();
        let template = selected(&labels.into());
        let relabelings = job["relabel_configs"].as_array().unwrap();
        let by_port =
            &relabelings[0]["source_labels"][0] == "__meta_kubernetes_pod_container_port_name";
        let named = by_port.then(|| relabelings[0]["regex"].as_str().unwrap());
        assert_port_is_there(&template, named, relabelings);
        found += 1;
    }
    assert_eq!(found, 4);
}

#[test]
fn the_credential_has_the_keys_that_are_asked_for() {
    let tenant = fixture::newest_tenant();
    let authorities: BTreeMap<String, _> = missing_authorities(&BTreeMap::new())
        .into_iter()
        .map(|authority| build_authority_secret(&tenant, authority, fixture::noon()).unwrap())
        .map(|secret| (secret.metadata.name.clone().unwrap(), secret))
        .collect();
    let authorities = Authorities::read(&authorities).unwrap();
    let plan = plan_leaves(&tenant, &authorities, &BTreeMap::new(), fixture::noon()).unwrap();
    for monitor in pod_monitors() {
        let tls = &monitor["spec"]["podMetricsEndpoints"][0]["tlsConfig"];
        for key in [&tls["ca"]["secret"], &tls["cert"]["secret"], &tls["keySecret"]] {
            let Some(name) = key["name"].as_str() else { continue };
            let mut secrets = plan.to_write.iter();
            let secret = secrets.find(|one| one.metadata.name.as_deref() == Some(name)).unwrap();
            let data = secret.data.as_ref().unwrap();
            assert!(data.contains_key(key["key"].as_str().unwrap()), "{key}");
        }
    }
}
