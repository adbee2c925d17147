//! A control plane as a snapshot in a bucket brings it along: what has to be created by hand where the namespace is
//! gone, so that a `TenantCluster` of the same name takes it up as a retained one and fills it.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use nagaya_api::labels;
use serde_json::{Value, json};

use super::super::namespace::build_namespace;
use super::super::pod;
use crate::certificates::Authority;
use crate::certificates::secret_data;
use crate::tenant::Tenant;

/// What belongs to the moment rather than to the cluster: which manager's pods it had, which snapshots, and how far
/// it was.
const PASSING: [&str; 6] = [
    labels::SNAPSHOTS,
    labels::RESTORED_FROM,
    labels::TEMPLATES,
    labels::ROLLED,
    labels::WAIT_IMAGE,
    labels::UPGRADING_FROM,
];

/// A `List` of the namespace and the Secrets of its authorities. Of these the contents are left out: whoever saves
/// them has them as files.
pub(super) fn build_recovery(tenant: &Tenant) -> Value {
    let mut items = vec![json!(build_recovered_namespace(tenant))];
    items.extend(Authority::all().map(|authority| json!(build_empty_secret(tenant, authority))));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn build_recovered_namespace(tenant: &Tenant) -> Namespace {
    let version = tenant.upgrading_from.unwrap_or(tenant.version);
    let mut namespace = build_namespace(tenant);
    let record = namespace.metadata.annotations.get_or_insert_default();
    record.retain(|key, _| !PASSING.contains(&key.as_str()));
    record.extend([
        (labels::VERSION.to_owned(), version.to_string()),
        (labels::BORN.to_owned(), "true".to_owned()),
        (labels::RETAINED.to_owned(), tenant.uid.clone()),
    ]);
    namespace
}

fn build_empty_secret(tenant: &Tenant, authority: Authority) -> Secret {
    let name = authority.secret_name();
    let is_pair = authority == Authority::ServiceAccount;
    Secret {
        metadata: pod::metadata(tenant, name, name),
        immutable: Some(true),
        type_: Some(if is_pair { secret_data::OPAQUE } else { secret_data::TLS }.to_owned()),
        ..Secret::default()
    }
}
