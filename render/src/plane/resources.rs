//! Requests and limits of each component, and what its Go runtime makes of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::settings::Settings;

/// What a component gets unless the operator says otherwise.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    /// Requests, measured on an idle tenant.
    pub cpu: &'static str,
    pub memory: &'static str,
    /// A limit on memory alone: what a tenant stores must not take its neighbours' memory, but a limit
    /// on CPU would only make starting slow.
    pub memory_limit: &'static str,
}

impl Defaults {
    /// The operator's choice for `component`, or these.
    pub(super) fn or_configured(
        self,
        component: &str,
        settings: &Settings,
    ) -> ResourceRequirements {
        if let Some(configured) = settings.resources.get(component) {
            return configured.clone();
        }
        let quantities = |pairs: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Quantity((*value).to_owned())))
                .collect()
        };
        ResourceRequirements {
            requests: Some(quantities(&[("cpu", self.cpu), ("memory", self.memory)])),
            limits: Some(quantities(&[("memory", self.memory_limit)])),
            claims: None,
        }
    }
}

/// GOGC: collect at this growth of the heap, in percent (Go's default is 100). GOMEMLIMIT: 90 % of the
/// memory limit, a guard against being killed; below the live heap it would burn a core for ever.
pub(super) fn go_runtime(gogc: u8, resources: &ResourceRequirements) -> Vec<EnvVar> {
    let mut env = vec![variable("GOGC", gogc.to_string())];
    let limit = resources.limits.as_ref().and_then(|limits| limits.get("memory"));
    if let Some(bytes) = limit.and_then(|limit| bytes(&limit.0)) {
        env.push(variable("GOMEMLIMIT", (bytes / 10 * 9).to_string()));
    }
    env
}

pub(super) fn variable(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}

/// Bytes of a whole Kubernetes quantity (`apimachinery/pkg/api/resource`). `None` for the other forms
/// (`1.5Gi`, `1e9`, `500m`), which nobody writes for memory.
pub(super) fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(digits);
    let unit: u64 = match suffix {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "T" => 1000_u64.pow(4),
        "Ki" => 1024,
        "Mi" => 1024_u64.pow(2),
        "Gi" => 1024_u64.pow(3),
        "Ti" => 1024_u64.pow(4),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_memory_are_read_as_kubernetes_reads_them() {
        assert_eq!(bytes("2Gi"), Some(2_147_483_648));
        assert_eq!(bytes("512M"), Some(512_000_000));
        assert_eq!(bytes("1024"), Some(1024));
        for other in ["1.5Gi", "1e9", "500m", "Gi", "", "99999999999999Ti"] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }
}
