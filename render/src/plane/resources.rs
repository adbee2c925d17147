//! Requests and limits of each component, and what its Go runtime makes of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::quantity::bytes;
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
    if let Some(bytes) = limit(resources, "memory").and_then(|limit| bytes(&limit.0)) {
        env.push(variable("GOMEMLIMIT", (bytes / 10 * 9).to_string()));
    }
    env
}

/// [`go_runtime`] of what is idle nearly always: without a limit on CPU Go counts the node's processors, and wakes
/// one to look for work whenever another has some. With a limit Go counts that (two at least, since 1.25).
pub(super) fn go_runtime_on_one_processor(
    gogc: u8,
    resources: &ResourceRequirements,
) -> Vec<EnvVar> {
    let mut env = go_runtime(gogc, resources);
    if limit(resources, "cpu").is_none() {
        env.push(variable("GOMAXPROCS", "1".to_owned()));
    }
    env
}

fn limit<'r>(resources: &'r ResourceRequirements, what: &str) -> Option<&'r Quantity> {
    resources.limits.as_ref()?.get(what)
}

pub(super) fn variable(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}
