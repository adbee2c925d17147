//! The control-plane namespace and what is recorded on it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::moves::{Moves, PublicService};
use crate::tenant::{Exposure, Tenant, Way};
use crate::turns::Templates;

/// Characters of a DNS label (RFC 1123), which a namespace's name is.
const LONGEST_NAME: usize = 63;

/// Name for a new control-plane namespace: `nagaya-PROJECT-NAME-HASH`, cut where it gets too long. The
/// hash keeps apart what cutting and joining with `-` could merge. An existing one is found by its labels,
/// never by this.
#[must_use]
pub fn plane_namespace_name(project: &str, name: &str) -> String {
    let hash = hex(&Sha256::digest(format!("{project}/{name}"))[..5]);
    let mut readable = format!("nagaya-{project}-{name}");
    readable.truncate(LONGEST_NAME - hash.len() - 1);
    format!("{}-{hash}", readable.trim_end_matches('-'))
}

pub(super) fn build_namespace(tenant: &Tenant) -> Namespace {
    let mut labels = tenant.labels("control-plane");
    labels.insert(labels::CONTROL_PLANE.to_owned(), "true".to_owned());
    labels.insert("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
    Namespace {
        metadata: ObjectMeta {
            name: Some(tenant.plane_namespace.clone()),
            labels: Some(labels),
            annotations: Some(record(tenant)),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// What [`crate::plane_record::PlaneRecord::read`] finds again after the `TenantCluster`, its status or its
/// Services are gone.
fn record(tenant: &Tenant) -> BTreeMap<String, String> {
    let mut record = BTreeMap::from([
        (labels::VERSION.to_owned(), tenant.version.to_string()),
        (labels::WAIT_IMAGE.to_owned(), tenant.wait_image.clone()),
        (labels::ACCEPTED_SPEC.to_owned(), json!(tenant.spec).to_string()),
    ]);
    if let Some(version) = tenant.upgrading_from {
        record.insert(labels::UPGRADING_FROM.to_owned(), version.to_string());
    }
    if !tenant.snapshots.taken.is_empty() {
        record.insert(labels::SNAPSHOTS.to_owned(), json!(tenant.snapshots.taken).to_string());
    }
    if let Some(snapshot) = &tenant.snapshots.restored {
        record.insert(labels::RESTORED_FROM.to_owned(), snapshot.clone());
    }
    let Templates { revision, rolled, state: _ } = &tenant.templates;
    for (key, value) in [(labels::TEMPLATES, revision), (labels::ROLLED, rolled)] {
        if let Some(value) = value {
            record.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(class) = &tenant.etcd.storage_class {
        record.insert(labels::STORAGE_CLASS.to_owned(), class.clone());
    }
    record.extend(endpoint(&tenant.exposure));
    record
}

/// What nodes have baked in, and what leads there.
fn endpoint(exposure: &Exposure) -> impl Iterator<Item = (String, String)> {
    let Exposure { host, addresses, port, way, extra_names: _, moves } = exposure;
    let Moves { service, former, unmade, awaited: _ } = moves;
    // A port that is recorded is one that somebody may know. Where the POST that made the namespace had one, an apply without
    // would not take it away (`kube_ops::apply_in_project`): that of another way would be taken for the node port then.
    let port = port.filter(|_| !*unmade).map(|port| port.to_string()).unwrap_or_default();
    let service = Some(service).filter(|service| **service != PublicService::default());
    let (given, node_port) = match way {
        Way::NodePort | Way::Gateway { .. } => (None, None),
        Way::LoadBalancer(_) => (addresses.first(), None),
        Way::External { node_port } => (None, *node_port),
    };
    [
        (labels::ENDPOINT_HOST, host.clone()),
        (labels::ENDPOINT_PORT, Some(port)),
        (labels::ENDPOINT_ADDRESS, given.map(ToString::to_string)),
        (labels::ENDPOINT_NODE_PORT, node_port.map(|port| port.to_string())),
        (labels::ENDPOINT_SERVICE, service.map(|service| service.name().to_owned())),
        (labels::FORMER_ENDPOINT, former.as_ref().map(|former| json!(former).to_string())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
}
