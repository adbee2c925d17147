//! What is recorded on a control-plane namespace: the facts that must outlive the `TenantCluster`,
//! its status and its Services, because nodes have them baked in.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Namespace;
use nagaya_api::{Snapshot, TenantClusterSpec, labels};

use crate::minors::KubernetesVersion;
use crate::moves::{Former, PublicService};
use crate::turns::Templates;

/// Facts recorded as labels and annotations of a control-plane namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaneRecord {
    /// Name of the namespace.
    pub namespace: String,
    /// UID of the `TenantCluster` that it was made for or last adopted by.
    pub owner_uid: Option<String>,
    /// Its owner was deleted under `deletionPolicy: Retain`.
    pub retained: bool,
    /// Its etcd has been healthy: its keys and data are worth something.
    pub born: bool,
    /// How many of the first members of its etcd may have a volume claim.
    pub etcd_claims: u8,
    /// Somebody is deleting it.
    pub terminating: bool,
    /// Host in every kubelet's kubeconfig.
    pub endpoint_host: Option<String>,
    /// Port in every kubelet's kubeconfig.
    pub endpoint_port: Option<u16>,
    /// Address that a load balancer has given to the endpoint.
    pub endpoint_address: Option<IpAddr>,
    /// Node port that the operator's own load balancer leads to.
    pub node_port: Option<u16>,
    /// Service of the endpoint.
    pub endpoint_service: PublicService,
    /// The endpoint of before, which is served too; an error says why it cannot be read.
    pub former_endpoint: Option<Result<Former, String>>,
    /// Version that the plane runs, or is on its way to.
    pub version: Option<KubernetesVersion>,
    /// Version at which all of it was last, while an upgrade is under way.
    pub upgrading_from: Option<KubernetesVersion>,
    /// Spec that was accepted last.
    pub accepted_spec: Option<TenantClusterSpec>,
    /// Storage class of its etcd volumes; `None`: the cluster's default.
    pub storage_class: Option<String>,
    /// Manager's image that its pods wait with.
    pub wait_image: Option<String>,
    /// What the volume of its snapshots holds, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// `spec.restoreFrom.snapshot` that its etcd was filled with.
    pub restored_from: Option<String>,
    /// Whose templates its workloads have.
    pub templates: Templates,
}

impl PlaneRecord {
    /// Reads what is recorded on `namespace`.
    #[must_use]
    pub fn read(namespace: &Namespace) -> Self {
        let meta = &namespace.metadata;
        let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key)).cloned();
        let note = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        let owner_uid = label(labels::TENANT_UID);
        Self {
            namespace: meta.name.clone().unwrap_or_default(),
            retained: owner_uid.is_some() && note(labels::RETAINED) == owner_uid,
            owner_uid,
            born: note(labels::BORN).is_some_and(|value| value == "true"),
            etcd_claims: note(labels::ETCD_CLAIMS)
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            terminating: meta.deletion_timestamp.is_some(),
            endpoint_host: note(labels::ENDPOINT_HOST),
            endpoint_port: note(labels::ENDPOINT_PORT).and_then(|port| port.parse().ok()),
            endpoint_address: note(labels::ENDPOINT_ADDRESS)
                .and_then(|address| address.parse().ok()),
            node_port: note(labels::ENDPOINT_NODE_PORT).and_then(|port| port.parse().ok()),
            endpoint_service: note(labels::ENDPOINT_SERVICE)
                .map(|name| PublicService::named(&name))
                .unwrap_or_default(),
            former_endpoint: note(labels::FORMER_ENDPOINT)
                .map(|text| serde_json::from_str(&text).map_err(|error| error.to_string())),
            version: note(labels::VERSION).and_then(|version| version.parse().ok()),
            upgrading_from: note(labels::UPGRADING_FROM).and_then(|version| version.parse().ok()),
            accepted_spec: note(labels::ACCEPTED_SPEC)
                .and_then(|spec| serde_json::from_str(&spec).ok()),
            storage_class: note(labels::STORAGE_CLASS),
            wait_image: note(labels::WAIT_IMAGE),
            snapshots: note(labels::SNAPSHOTS)
                .and_then(|list| serde_json::from_str(&list).ok())
                .unwrap_or_default(),
            restored_from: note(labels::RESTORED_FROM),
            templates: Templates {
                revision: note(labels::TEMPLATES),
                rolled: note(labels::ROLLED),
                ..Templates::default()
            },
        }
    }
}
