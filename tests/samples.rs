//! `manifests/samples/` is what the API accepts.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::path::Path;

use nagaya_api::{JoinToken, TenantCluster};
use serde::de::DeserializeOwned;

fn sample<T: DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/samples");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

#[test]
fn the_sample_join_token_is_for_the_sample_cluster() {
    let cluster: TenantCluster = sample("tenant_cluster.yaml");
    let token: JoinToken = sample("join_token.yaml");
    assert_eq!(Some(&token.spec.cluster_name), cluster.metadata.name.as_ref());
    assert_eq!(token.metadata.namespace, cluster.metadata.namespace);
}
