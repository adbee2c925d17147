//! Metadata that every object of the content shares, and manifests kept as YAML files beside the code, in
//! the words of kubeadm's own templates (`cmd/kubeadm/app/phases/addons`).

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{
    ConfigMap, LocalObjectReference, ResourceRequirements, ServiceAccount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::{AddonResources, labels};
use serde::de::DeserializeOwned;

use super::ContentError;

pub(super) const KUBE_SYSTEM: &str = "kube-system";
pub(super) const KUBE_PUBLIC: &str = "kube-public";

pub(super) fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(namespace.to_owned()), ..cluster_meta(name) }
}

pub(super) fn cluster_meta(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some([(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned())].into()),
        ..ObjectMeta::default()
    }
}

/// [`meta`] in kube-system.
pub(crate) fn kube_system_meta(name: &str) -> ObjectMeta {
    meta(KUBE_SYSTEM, name)
}

/// [`meta`] and one more label.
pub(super) fn labelled_meta(namespace: &str, name: &str, key: &str, value: &str) -> ObjectMeta {
    let mut meta = meta(namespace, name);
    meta.labels.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    meta
}

pub(super) fn build_service_account(name: &str) -> ServiceAccount {
    ServiceAccount { metadata: meta(KUBE_SYSTEM, name), ..ServiceAccount::default() }
}

pub(super) fn build_config_map<const N: usize>(
    metadata: ObjectMeta,
    data: [(&str, String); N],
) -> ConfigMap {
    let data: BTreeMap<_, _> = data.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}

/// Reads a built-in manifest after putting `values` in place of their `{{ .Name }}`.
pub(super) fn read<T: DeserializeOwned>(
    what: &'static str,
    template: &str,
    values: &[(&str, &str)],
) -> Result<T, ContentError> {
    let text = fill(template, values);
    serde_yaml_ng::from_str(&text).map_err(|source| ContentError::Manifest { what, source })
}

/// `template` with each `{{ .Name }}` replaced.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{ .{name} }}}}"), value)
    })
}

/// References for `imagePullSecrets`; `None` rather than an empty list, which apply would own.
pub(super) fn pull_secrets(names: &[String]) -> Option<Vec<LocalObjectReference>> {
    (!names.is_empty())
        .then(|| names.iter().map(|name| LocalObjectReference { name: name.clone() }).collect())
}

/// Resources as a container has them; empty maps are left out, which apply would own.
pub(super) fn requirements(resources: &AddonResources) -> ResourceRequirements {
    let some = |map: &BTreeMap<_, _>| (!map.is_empty()).then(|| map.clone());
    ResourceRequirements {
        requests: some(&resources.requests),
        limits: some(&resources.limits),
        claims: None,
    }
}

/// Networks as kubeadm and the components take them.
pub(super) fn comma_separated(nets: &[IpNet]) -> String {
    nets.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
}
