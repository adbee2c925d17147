//! Who may ask kube-apiserver what without a credential.

use k8s_openapi::api::core::v1::ConfigMap;

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
        data: Some([(FILE.to_owned(), CONFIGURATION.to_owned())].into()),
        ..ConfigMap::default()
    }
}
