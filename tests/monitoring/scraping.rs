//! The scrape configurations: what Prometheus says of the plain one, and that both set the labels that are asked for.
//! Whether they fit the pods is looked at in `render/tests/scraping.rs`.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::exporter::COMPONENTS;
use crate::{list, promtool, read, read_yaml, text};

const PLAIN: &str = "manifests/monitoring/prometheus.yaml";

/// Debian builds Prometheus without the discovery of Kubernetes: all else is checked.
#[test]
fn prometheus_accepts_the_plain_configuration() {
    let mut config = read_yaml(PLAIN);
    for job in config["scrape_configs"].as_array_mut().unwrap() {
        let job = job.as_object_mut().unwrap();
        assert!(job.remove("kubernetes_sd_configs").is_some(), "{job:?} finds nothing");
        job.insert("static_configs".to_owned(), json!([]));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    promtool(&["check", "config", "--syntax-only", file.path().to_str().unwrap()]);
}

#[test]
fn both_configurations_scrape_the_jobs_that_rules_and_dashboard_ask_for() {
    let mut wanted: BTreeSet<String> =
        COMPONENTS.iter().map(|(job, _)| (*job).to_owned()).collect();
    wanted.insert("nagaya-metrics".to_owned());
    let plain = read_yaml(PLAIN);
    let jobs = list(&plain, "scrape_configs").map(|job| {
        set_to(list(job, "relabel_configs"), "target_label").unwrap_or(text(&job["job_name"]))
    });
    assert_eq!(jobs.map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
    let monitors = monitors();
    let endpoints = monitors.iter().flat_map(|monitor| {
        let spec = &monitor["spec"];
        list(spec, "endpoints").chain(list(spec, "podMetricsEndpoints"))
    });
    let jobs = endpoints.map(|one| set_to(list(one, "relabelings"), "targetLabel").unwrap());
    assert_eq!(jobs.map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
}

/// What the label `job` is set to.
fn set_to<'a>(mut relabelings: impl Iterator<Item = &'a Value>, target: &str) -> Option<&'a str> {
    relabelings.find(|one| one[target] == "job").map(|one| text(&one["replacement"]))
}

fn monitors() -> Vec<Value> {
    let texts =
        ["monitors", "tenant"].map(|name| read(&format!("manifests/monitoring/{name}.yaml")));
    let documents = texts.iter().flat_map(|text| serde_yaml_ng::Deserializer::from_str(text));
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}
