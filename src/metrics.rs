//! What the manager counts, in Prometheus' text format: about itself here, about tenants in `metrics/tenants.rs`.
//!
//! Passes are named as controller-runtime names its reconciles, leadership as client-go does. No label here names
//! a tenant.

mod tenants;

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use tenants::{EtcdSize, TenantMetrics};

use crate::kube_ops::count_requests::ApiRequests;
use crate::leader;

/// Upper bounds of the reconcile histogram, in seconds: a pass without writes takes milliseconds.
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The manager's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// Requests to API servers.
    pub api_requests: ApiRequests,
    /// What each tenant is.
    pub tenants: TenantMetrics,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_time: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
    leads: Family<LeaderLabels, Gauge>,
    /// Without a value until the gateway was asked: there may be none, and of two managers one asks.
    gateway_pods_answering: Family<GatewayLabels, Gauge>,
    resident_memory: Gauge,
    registry: Registry,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    /// `success` or `error`.
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    controller: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaderLabels {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GatewayLabels {
    /// `gatewayPods` of the configuration.
    address: String,
}

const LEADER: LeaderLabels = LeaderLabels { name: leader::LEASE };

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            api_requests: ApiRequests::default(),
            tenants: TenantMetrics::default(),
            reconciles: Family::default(),
            reconcile_time: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            errors: Family::default(),
            leads: Family::default(),
            gateway_pods_answering: Family::default(),
            resident_memory: Gauge::default(),
            registry: Registry::default(),
        };
        metrics.leads(false);
        metrics.registry = metrics.registered();
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "nagaya_build",
            "What this manager was built from",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "nagaya_api_requests",
            "Requests to Kubernetes API servers, retries not counted apart",
            self.api_requests.clone(),
        );
        registry.register(
            "nagaya_reconcile",
            "Passes over one object, by result",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "nagaya_reconcile_time",
            "How long a pass over one object took",
            Unit::Seconds,
            self.reconcile_time.clone(),
        );
        registry.register(
            "nagaya_reconcile_errors",
            "Passes over one object that failed, by reason",
            self.errors.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "Whether this manager is the one that works",
            self.leads.clone(),
        );
        registry.register(
            "nagaya_gateway_pods_answering",
            "Pods of the gateway that said whom they refuse when they were asked last",
            self.gateway_pods_answering.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Resident memory of the manager",
            Unit::Bytes,
            self.resident_memory.clone(),
        );
        self.tenants.register(&mut registry);
        registry
    }

    /// Whether this manager is the one that works.
    pub fn leads(&self, leads: bool) {
        self.leads.get_or_create(&LEADER).set(leads.into());
    }

    /// So many pods of the gateway at `address` said whom they refuse.
    pub fn gateway_answers(&self, address: &str, pods: usize) {
        let labels = GatewayLabels { address: address.to_owned() };
        let pods = i64::try_from(pods).unwrap_or(i64::MAX);
        self.gateway_pods_answering.get_or_create(&labels).set(pods);
    }

    /// Notes one pass of `controller`; `failure` is the reason if it failed.
    pub fn reconciled(
        &self,
        controller: &'static str,
        took: Duration,
        failure: Option<&'static str>,
    ) {
        let result = if failure.is_some() { "error" } else { "success" };
        self.reconciles.get_or_create(&ReconcileLabels { controller, result }).inc();
        self.reconcile_time
            .get_or_create(&ControllerLabels { controller })
            .observe(took.as_secs_f64());
        if let Some(reason) = failure {
            self.errors.get_or_create(&ErrorLabels { controller, reason }).inc();
        }
    }

    /// Everything, in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// Only if formatting fails.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            self.resident_memory.set(bytes);
        }
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// `VmRSS` of this process, in bytes.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_ops::count_requests::{RequestLabels, Side};

    #[test]
    fn a_failed_pass_is_counted_by_reason() {
        let metrics = Metrics::default();
        metrics.reconciled("tenantcluster", Duration::from_millis(3), Some("ForeignObject"));
        let text = metrics.encode().unwrap();
        let expected =
            r#"nagaya_reconcile_errors_total{controller="tenantcluster",reason="ForeignObject"} 1"#;
        assert!(text.contains(expected), "{text}");
        let expected = r#"nagaya_reconcile_total{controller="tenantcluster",result="error"} 1"#;
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_manager_that_does_not_work_yet_says_so() {
        let metrics = Metrics::default();
        let says = |value: &str| {
            let line = format!("leader_election_master_status{{name=\"nagaya-leader\"}} {value}\n");
            metrics.encode().unwrap().contains(&line)
        };
        assert!(says("0"));
        metrics.leads(true);
        assert!(says("1"));
    }

    #[test]
    fn a_request_is_counted_by_side_verb_and_resource() {
        let metrics = Metrics::default();
        let labels =
            RequestLabels { side: Side::Planes, verb: "patch", resource: "services".to_owned() };
        metrics.api_requests.get_or_create(&labels).inc();
        let text = metrics.encode().unwrap();
        let expected =
            r#"nagaya_api_requests_total{side="planes",verb="patch",resource="services"} 1"#;
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_resident_memory_is_measured_at_each_scrape() {
        let metrics = Metrics::default();
        metrics.encode().unwrap();
        assert!(metrics.resident_memory.get() > 1024 * 1024);
    }
}
