//! The files of configuration that kube-apiserver reads when it starts: who may ask what without a credential and, where there is a
//! tunnel, what goes through it.

use k8s_openapi::api::core::v1::ConfigMap;

use super::tunnel;
use crate::plane::{names, pod};
use crate::tenant::Tenant;

/// Where the configuration is mounted.
pub(in crate::plane) const DIR: &str = "/etc/kubernetes/authentication";
/// Its file name, and its key in the ConfigMap.
pub(super) const FILE: &str = "authentication.yaml";

/// Health, which probes ask for, and cluster-info, which a joining node reads before it can trust anybody.
/// kube-apiserver reads the `anonymous` part only when it starts.
pub(super) const CONFIGURATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
  - path: /api/v1/namespaces/kube-public/configmaps/cluster-info
";

pub(in crate::plane) fn build_authentication(tenant: &Tenant) -> ConfigMap {
    ConfigMap {
        metadata: pod::metadata(tenant, names::API_SERVER_AUTHENTICATION, names::API_SERVER),
        data: Some(files(tenant).map(|(file, text)| (file.to_owned(), text.to_owned())).collect()),
        ..ConfigMap::default()
    }
}

fn files(tenant: &Tenant) -> impl Iterator<Item = (&'static str, &'static str)> {
    let egress = tenant.tunnel_host().map(|_| (tunnel::EGRESS_FILE, tunnel::EGRESS));
    [(FILE, CONFIGURATION)].into_iter().chain(egress)
}

/// Their contents.
pub(super) fn configurations(tenant: &Tenant) -> Vec<&'static str> {
    files(tenant).map(|(_, text)| text).collect()
}
