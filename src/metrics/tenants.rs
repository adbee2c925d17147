//! What each `TenantCluster` is, named as kube-state-metrics and Cluster API name theirs of custom resources.
//!
//! A pass leaves here what it has computed anyway, and a scrape writes that out: neither looks at anything else.
//! These are the only series whose number grows with the number of tenants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use nagaya_api::{TenantCluster, TenantClusterStatus, conditions};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the provision histogram, in seconds: a control plane takes a quarter of a minute where images
/// are at hand.
const PROVISION_BUCKETS: [f64; 10] =
    [5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// What a condition may be; each is a series, so that one that is not so is 0 and not missing.
const STATES: [&str; 3] = ["True", "False", "Unknown"];

/// The series of every tenant. Clones share them.
#[derive(Clone, Debug)]
pub struct TenantMetrics {
    known: Arc<Mutex<BTreeMap<Name, Known>>>,
    provision: Histogram,
}

/// Namespace and name.
type Name = (String, String);

/// How large the etcd of a tenant is, in bytes: of the member that has the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtcdSize {
    /// The database's file; writes are refused when it reaches `quota`.
    pub total: i64,
    /// What of the file is in use; the rest comes back with a defragmentation.
    pub in_use: i64,
    /// `--quota-backend-bytes`.
    pub quota: i64,
}

#[derive(Debug, Default)]
struct Known {
    version: String,
    control_plane_namespace: String,
    /// Type and status.
    conditions: Vec<(String, String)>,
    nodes: Option<i64>,
    certificates_expire: Option<i64>,
    etcd: Option<EtcdSize>,
    /// This manager has seen it from its first pass on, and never Ready.
    provisioning: bool,
}

impl Default for TenantMetrics {
    fn default() -> Self {
        Self { known: Arc::default(), provision: Histogram::new(PROVISION_BUCKETS) }
    }
}

impl TenantMetrics {
    /// Takes the place of what was known of the tenant; the first time that it is Ready, how long that took since
    /// it was created is counted. One that gets Ready under another manager than it began with is not.
    pub fn keep(
        &self,
        raw: &TenantCluster,
        status: &TenantClusterStatus,
        certificates_expire: Option<Timestamp>,
        now: Timestamp,
    ) {
        let ready = conditions::is_true(&status.conditions, conditions::READY);
        let mut all = self.lock();
        let known = all
            .entry(name_of(raw))
            .or_insert_with(|| Known { provisioning: raw.status.is_none(), ..Known::default() });
        if ready && std::mem::take(&mut known.provisioning) {
            let created = raw.metadata.creation_timestamp.as_ref();
            let took = created.map(|created| now.duration_since(created.0).as_secs_f64());
            self.provision.observe(took.unwrap_or_default());
        }
        known.version = status.version.clone().unwrap_or_default();
        known.control_plane_namespace = status.control_plane_namespace.clone().unwrap_or_default();
        known.conditions =
            status.conditions.iter().map(|one| (one.type_.clone(), one.status.clone())).collect();
        known.nodes = status.nodes.map(i64::from);
        known.certificates_expire = certificates_expire.map(Timestamp::as_second);
    }

    /// How large etcd is; nothing if no pass has been over the tenant yet, or it is gone.
    pub fn etcd_size(&self, namespace: &str, name: &str, size: EtcdSize) {
        if let Some(known) = self.lock().get_mut(&(namespace.to_owned(), name.to_owned())) {
            known.etcd = Some(size);
        }
    }

    /// The tenant is gone, and so are its series.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "nagaya_tenantcluster_provision_duration",
            "From the creation of a TenantCluster to the first time that it was Ready",
            Unit::Seconds,
            self.provision.clone(),
        );
        registry.register_collector(Box::new(self.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(raw: &TenantCluster) -> Name {
    (raw.namespace().unwrap_or_default(), raw.name_any())
}

/// Labels that every series of a tenant begins with.
fn labels((namespace, name): &Name) -> [(&'static str, &str); 2] {
    [("namespace", namespace), ("name", name)]
}

/// A gauge of one number for each tenant of which it is known.
struct Number {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    of: fn(&Known) -> Option<i64>,
}

const NUMBERS: [Number; 5] = [
    Number {
        name: "nagaya_tenantcluster_nodes",
        help: "Nodes that have joined",
        unit: None,
        of: |known| known.nodes,
    },
    Number {
        name: "nagaya_tenantcluster_certificate_expiration_timestamp",
        help: "When the first of the certificates in the control-plane namespace expires, CAs included",
        unit: Some(Unit::Seconds),
        of: |known| known.certificates_expire,
    },
    Number {
        name: "nagaya_tenantcluster_etcd_db_total_size",
        help: "Size of etcd's database file; writes are refused when it reaches the quota",
        unit: Some(Unit::Bytes),
        of: |known| known.etcd.map(|etcd| etcd.total),
    },
    Number {
        name: "nagaya_tenantcluster_etcd_db_total_size_in_use",
        help: "What of etcd's database file is in use; the rest comes back with a defragmentation",
        unit: Some(Unit::Bytes),
        of: |known| known.etcd.map(|etcd| etcd.in_use),
    },
    Number {
        name: "nagaya_tenantcluster_etcd_quota_backend",
        help: "Largest size of etcd's database file",
        unit: Some(Unit::Bytes),
        of: |known| known.etcd.map(|etcd| etcd.quota),
    },
];

impl Collector for TenantMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.lock();
        let gauge = MetricType::Gauge;
        let help = "What a TenantCluster is; always 1";
        encode_info(
            encoder.encode_descriptor("nagaya_tenantcluster_info", help, None, gauge)?,
            &all,
        )?;
        let (name, help) =
            ("nagaya_tenantcluster_status_condition", "Whether a condition has this status");
        encode_conditions(encoder.encode_descriptor(name, help, None, gauge)?, &all)?;
        for Number { name, help, unit, of } in &NUMBERS {
            let mut series = encoder.encode_descriptor(name, help, unit.as_ref(), gauge)?;
            for (name, known) in all.iter() {
                if let Some(value) = of(known) {
                    ConstGauge::new(value).encode(series.encode_family(&labels(name))?)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_info(mut series: MetricEncoder<'_>, all: &BTreeMap<Name, Known>) -> fmt::Result {
    for (name, known) in all {
        let [namespace, name] = labels(name);
        let labels = [
            namespace,
            name,
            ("version", known.version.as_str()),
            ("control_plane_namespace", known.control_plane_namespace.as_str()),
        ];
        ConstGauge::new(1_i64).encode(series.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_conditions(mut series: MetricEncoder<'_>, all: &BTreeMap<Name, Known>) -> fmt::Result {
    for (name, known) in all {
        let [namespace, name] = labels(name);
        for (kind, status) in &known.conditions {
            for state in STATES {
                let labels = [namespace, name, ("type", kind.as_str()), ("status", state)];
                let holds = i64::from(status == state);
                ConstGauge::new(holds).encode(series.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
