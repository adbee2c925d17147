//! `dashboard.json` and the alerts, as a real Prometheus answers them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::alerts::{alerts, assert_exist};
use crate::expression::{is_ours, selectors};
use crate::prometheus::{Prometheus, is_healthy};
use crate::{list, read, text};

/// Variables of the dashboard, and of Grafana itself, with what stands in for them.
const VARIABLES: [(&str, &str); 3] =
    [("$__rate_interval", "1m"), ("$namespace", "acme"), ("$name", "demo")];

fn panels() -> Vec<Value> {
    let dashboard: Value =
        serde_json::from_str(&read("manifests/monitoring/dashboard.json")).unwrap();
    list(&dashboard, "panels").cloned().collect()
}

/// Every query, as Grafana would send it.
fn queries() -> Vec<String> {
    let panels = panels();
    let queries = panels.iter().flat_map(|panel| list(panel, "targets"));
    let fill = |query: String, (name, value): &(&str, &str)| query.replace(name, value);
    queries.map(|query| VARIABLES.iter().fold(text(&query["expr"]).to_owned(), fill)).collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_the_manager_has() {
    let queries = queries();
    assert!(queries.len() > 20, "{queries:#?}");
    for query in queries {
        assert!(!query.contains('$'), "{query}: an unknown variable");
        assert_exist(&query);
    }
}

#[test]
fn each_panel_has_an_id_of_its_own() {
    let panels = panels();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn a_real_prometheus_answers_every_query_of_dashboard_and_alerts_with_data() {
    let prometheus = Prometheus::start();
    for query in queries() {
        assert!(!prometheus.query(&query).is_empty(), "{query}: no data");
    }
    // What an alert compares has to be there, whether or not it fires now.
    for alert in alerts() {
        for selector in selectors(text(&alert["expr"]), |name| is_ours(name) || name == "up") {
            assert!(!prometheus.query(&selector).is_empty(), "{selector}: no data");
        }
    }
    evaluated(&prometheus);
}

/// Groups are evaluated at a moment of their own within their interval.
fn evaluated(prometheus: &Prometheus) {
    for _ in 0..50 {
        let rules = prometheus.rules();
        assert_eq!(rules.len(), alerts().len());
        if rules.iter().all(is_healthy) {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("an alert cannot be evaluated: {:#?}", prometheus.rules());
}
