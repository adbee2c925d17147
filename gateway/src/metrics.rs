//! What the gateway counts, in Prometheus' text format. A tenant is a label only where he was limited.

use std::collections::BTreeMap;
use std::time::Duration;

use nagaya_relay::End;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use strum::IntoEnumIterator as _;

use crate::refusal::Refusal;
use crate::routes::Table;

/// Upper bounds, in seconds: a connection inside a cluster takes well under a millisecond.
const CONNECT_BUCKETS: [f64; 8] = [0.000_5, 0.001, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// The gateway's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// Open connections of clients, with those that have not said yet what they want.
    pub connections: Gauge,
    /// Those that have not.
    pub pending: Gauge,
    opened: Counter,
    forwarded: Counter,
    ended: Family<ReasonLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    connect_time: Histogram,
    routes: Gauge,
    refused_names: Family<ReasonLabels, Gauge>,
    watch_errors: Counter,
    registry: Registry,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    tenant: String,
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            connections: Gauge::default(),
            pending: Gauge::default(),
            opened: Counter::default(),
            forwarded: Counter::default(),
            ended: Family::default(),
            refused: Family::default(),
            limited: Family::default(),
            connect_time: Histogram::new(CONNECT_BUCKETS),
            routes: Gauge::default(),
            refused_names: Family::default(),
            watch_errors: Counter::default(),
            registry: Registry::default(),
        };
        // There from the start, so that their first increase shows.
        for refusal in Refusal::iter() {
            drop(metrics.refused.get_or_create(&ReasonLabels { reason: refusal.reason() }));
        }
        for end in End::iter() {
            drop(metrics.ended.get_or_create(&ReasonLabels { reason: end.into() }));
        }
        metrics.registry = metrics.registered();
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut all = Registry::with_prefix("nagaya_gateway");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "What this gateway was built from", version);
        all.register("connections", "Open connections of clients", self.connections.clone());
        let help = "Connections without a complete ClientHello";
        all.register("pending", help, self.pending.clone());
        let help = "Connections that were led to an API server";
        all.register("opened", help, self.opened.clone());
        let help = "Those of them whose host a forwarder on a node named";
        all.register("forwarded", help, self.forwarded.clone());
        all.register("ended", "Ends of those, by reason", self.ended.clone());
        all.register("refused", "Connections that were not, by reason", self.refused.clone());
        let help = "Connections refused by a tenant's limits, by reason";
        all.register("limited", help, self.limited.clone());
        let help = "How long connecting to an API server took";
        all.register_with_unit("connect", help, Unit::Seconds, self.connect_time.clone());
        all.register("routes", "Names that lead to an API server", self.routes.clone());
        let help = "Claims of Services that cannot be used, by reason";
        all.register("refused_names", help, self.refused_names.clone());
        all.register(
            "watch_errors",
            "Failures of the watch of Services",
            self.watch_errors.clone(),
        );
        all
    }

    /// A connection is led to an API server, which took so long to accept it. `forwarded`: a forwarder said where to.
    pub fn opened(&self, connecting: Duration, forwarded: bool) {
        self.opened.inc();
        self.forwarded.inc_by(u64::from(forwarded));
        self.connect_time.observe(connecting.as_secs_f64());
    }

    /// So many connections that were led have ended.
    pub fn ended(&self, end: End, count: u64) {
        self.ended.get_or_create(&ReasonLabels { reason: end.into() }).inc_by(count);
    }

    /// A connection is refused.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&ReasonLabels { reason: refusal.reason() }).inc();
    }

    /// It was by the limits of that tenant (`NAMESPACE/NAME`).
    pub fn limited(&self, tenant: &str, refusal: Refusal) {
        let labels = LimitLabels { tenant: tenant.to_owned(), reason: refusal.reason() };
        self.limited.get_or_create(&labels).inc();
    }

    /// There is a new table.
    pub fn routes(&self, table: &Table) {
        self.routes.set(i64::try_from(table.len()).unwrap_or(i64::MAX));
        let mut by_reason: BTreeMap<&'static str, i64> = BTreeMap::new();
        for refused in table.refused() {
            *by_reason.entry((&refused.problem).into()).or_default() += 1;
        }
        self.refused_names.clear();
        for (reason, count) in by_reason {
            self.refused_names.get_or_create(&ReasonLabels { reason }).set(count);
        }
    }

    /// The watch of Services failed once.
    pub fn watch_failed(&self) {
        self.watch_errors.inc();
    }

    /// Everything, in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// Never: text is written to memory.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_there_before_it_first_comes() {
        let metrics = Metrics::default();
        let says = |line: &str| metrics.encode().unwrap().lines().any(|said| said == line);
        assert!(says(r#"nagaya_gateway_refused_total{reason="UnknownName"} 0"#));
        metrics.refused(Refusal::UnknownName);
        assert!(says(r#"nagaya_gateway_refused_total{reason="UnknownName"} 1"#));
        metrics.limited("acme/demo", Refusal::TooManyConnections);
        let line =
            r#"nagaya_gateway_limited_total{tenant="acme/demo",reason="TooManyConnections"} 1"#;
        assert!(says(line), "{}", metrics.encode().unwrap());
    }
}
