//! The clusters that are compared.

use jiff::SignedDuration;
use nagaya_pki::CertificateAuthority;
use nagaya_render::minors::Minor;
use nagaya_render::tenant::{Exposure, KubeProxy, Tenant};
use serde_json::{Value, json};

use crate::fixture;

/// One cluster, as Nagaya sees it.
pub struct Scenario {
    /// For messages.
    pub name: &'static str,
    pub tenant: Tenant,
    pub ca_pem: String,
}

pub fn all(minor: &'static Minor) -> Vec<Scenario> {
    let ca = CertificateAuthority::generate("ca", fixture::noon(), SignedDuration::from_hours(1));
    let ca_pem = ca.unwrap().cert_pem().to_owned();
    [
        ("defaults", fixture::tenant(minor)),
        ("IPv6 first, two families, a host name", two_families(minor)),
        ("fragments", with_fragments(minor)),
        ("no addons", without_addons(minor)),
    ]
    .into_iter()
    .map(|(name, tenant)| Scenario { name, tenant, ca_pem: ca_pem.clone() })
    .collect()
}

fn two_families(minor: &'static Minor) -> Tenant {
    let mut tenant = Tenant { cluster_domain: "acme.example".to_owned(), ..fixture::tenant(minor) };
    tenant.pod_cidrs = vec!["fd00:10::/56".parse().unwrap(), "10.44.0.0/16".parse().unwrap()];
    tenant.service_cidrs = vec!["fd00:20::/112".parse().unwrap(), "10.45.0.0/16".parse().unwrap()];
    tenant.exposure = Exposure {
        host: Some("demo.acme.clouds.example".to_owned()),
        addresses: vec!["2001:db8::1".parse().unwrap()],
        ..tenant.exposure
    };
    tenant
}

fn with_fragments(minor: &'static Minor) -> Tenant {
    let mut tenant = fixture::tenant(minor);
    tenant.kubelet_patch = Some(json!({
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "evictionHard": {"memory.available": "5%"},
        // Words that YAML 1.1, which Go reads, does not take for strings.
        "registerWithTaints": [{"key": "acme.example/new", "value": "yes", "effect": "NoSchedule"}],
        "systemReserved": {"cpu": "1_000", "memory": "0x10"},
        "reservedSystemCPUs": "0",
    }));
    tenant.kube_proxy = Some(KubeProxy {
        config_patch: Some(json!({
            "mode": "nftables",
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s"},
            "nodePortAddresses": ["primary"],
        })),
        ..KubeProxy::default()
    });
    tenant
}

fn without_addons(minor: &'static Minor) -> Tenant {
    let mut tenant = fixture::tenant(minor);
    tenant.kube_proxy = None;
    tenant.core_dns = None;
    tenant
}

impl Scenario {
    /// The tenant's fragments as whole documents: kubeadm completes them, as Nagaya's merge must.
    pub fn component_configs(&self) -> Vec<Value> {
        let kubelet = self.tenant.kubelet_patch.as_ref();
        let kube_proxy =
            self.tenant.kube_proxy.as_ref().and_then(|proxy| proxy.config_patch.as_ref());
        kubelet
            .map(|patch| document(KUBELET, patch))
            .into_iter()
            .chain(kube_proxy.map(|patch| document(KUBE_PROXY, patch)))
            .collect()
    }
}

const KUBELET: (&str, &str) = ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration");
const KUBE_PROXY: (&str, &str) = ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration");

fn document((api_version, kind): (&str, &str), fields: &Value) -> Value {
    let mut document = fields.clone();
    document["apiVersion"] = json!(api_version);
    document["kind"] = json!(kind);
    document
}

/// Both configurations with every field of `minor` that fragments know set to some value of its type.
pub fn every_field(minor: &Minor) -> [Value; 2] {
    let file =
        format!("{}/src/fragments/fields/1.{}.json", env!("CARGO_MANIFEST_DIR"), minor.minor);
    let shapes: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    [KUBELET, KUBE_PROXY].map(|kind| document(kind, &sample(&shapes[kind.1])))
}

fn sample(shape: &Value) -> Value {
    match shape {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, shape)| (if key == "*" { "key" } else { key }.to_owned(), sample(shape)))
            .collect(),
        Value::Array(items) => items.iter().map(sample).collect(),
        Value::String(scalar) => match scalar.as_str() {
            "bool" => json!(true),
            "int" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => json!(1),
            "number" => json!(1.5),
            "duration" | "integer-or-duration" => json!("1m0s"),
            "quantity" => json!("1Mi"),
            "time" => json!("2026-11-22T12:00:00Z"),
            _ => json!("text"),
        },
        other => panic!("{other} is no shape"),
    }
}
