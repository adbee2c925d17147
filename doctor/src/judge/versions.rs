//! Versions beside each other, and what of the cluster's configuration decides what its kubelets accept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Judgement, failed, not_checked, passed, warning};
use crate::facts::{Asked, Driver, Machine, Way};
use crate::version::Version;

/// How many minors a kubelet may be behind kubeadm (`MinimumKubeletVersion`) and the API server (the skew policy).
const KUBELET_BEHIND: u16 = 3;
/// kubeadm up to 1.34 starts the kubelet with `--pod-infra-container-image`, which kubelets from 1.35 on do not know.
const LAST_WITH_PAUSE_FLAG: u16 = 34;

/// What of a `KubeletConfiguration` decides whether a kubelet starts here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletConfig {
    pub fail_swap_on: Option<bool>,
    pub fail_cgroup_v1: Option<bool>,
    pub cgroup_driver: Option<Driver>,
    /// What has to be left of what, by the kubelet's names (`nodefs.available`); None: its defaults.
    pub eviction_hard: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    fail_swap_on: Option<bool>,
    // As it is spelled there.
    #[serde(rename = "failCgroupV1")]
    fail_cgroup_v1: Option<bool>,
    cgroup_driver: Option<String>,
    eviction_hard: Option<BTreeMap<String, String>>,
}

/// Of the ConfigMap `kubelet-config`; None if it was not read.
pub fn kubelet_config(way: &Way) -> Option<KubeletConfig> {
    let text = data(&way.with_token.as_ref()?.kubelet_config, "kubelet")?;
    let fields: Fields = serde_yaml_ng::from_str(&text).ok()?;
    let driver = |name: &str| match name {
        "systemd" => Some(Driver::Systemd),
        "cgroupfs" => Some(Driver::Cgroupfs),
        _ => None,
    };
    Some(KubeletConfig {
        fail_swap_on: fields.fail_swap_on,
        fail_cgroup_v1: fields.fail_cgroup_v1,
        cgroup_driver: fields.cgroup_driver.as_deref().and_then(driver),
        eviction_hard: fields.eviction_hard.filter(|signals| !signals.is_empty()),
    })
}

fn data(asked: &Asked, key: &str) -> Option<String> {
    let (200, body) = asked.as_ref().ok()? else { return None };
    let map: Value = serde_json::from_slice(body).ok()?;
    map["data"][key].as_str().map(str::to_owned)
}

/// `kubernetesVersion` of kubeadm's ClusterConfiguration: what kubeadm compares itself with.
fn configured(asked: &Asked) -> Option<Version> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClusterConfiguration {
        kubernetes_version: String,
    }
    let text = data(asked, "ClusterConfiguration")?;
    let read: ClusterConfiguration = serde_yaml_ng::from_str(&text).ok()?;
    read.kubernetes_version.parse().ok()
}

fn served(asked: &Asked) -> Option<Version> {
    let (200, body) = asked.as_ref().ok()? else { return None };
    let version: Value = serde_json::from_slice(body).ok()?;
    version["gitVersion"].as_str()?.parse().ok()
}

pub fn versions(machine: &Machine, way: &Way) -> Judgement {
    let (Ok(kubeadm), Ok(kubelet)) = (&machine.kubeadm, &machine.kubelet) else {
        return not_checked("kubeadm or kubelet did not say its version");
    };
    match cluster(way) {
        Ok(Cluster { server, configured }) => skew(*kubeadm, *kubelet, server, configured),
        Err(unknown) => unknown,
    }
}

/// The versions of the cluster.
struct Cluster {
    server: Version,
    /// Which kubeadm takes it for.
    configured: Version,
}

fn cluster(way: &Way) -> Result<Cluster, Judgement> {
    let Some(with_token) = &way.with_token else {
        return Err(not_checked("the API server is not believed"));
    };
    let configured = configured(&with_token.kubeadm_config);
    let Some(server) = served(&with_token.version).or(configured) else {
        return Err(not_checked("the API server did not say its version"));
    };
    Ok(Cluster { server, configured: configured.unwrap_or(server) })
}

/// Which machines it takes, of which nobody is there to be asked.
pub fn window(way: &Way) -> Judgement {
    let Cluster { server, configured } = match cluster(way) {
        Ok(versions) => versions,
        Err(unknown) => return unknown,
    };
    let newest = configured.minor + 1;
    let oldest = server.minor.saturating_sub(KUBELET_BEHIND);
    passed(format!(
        "the API server is {server}: kubeadm up to 1.{newest} joins it; kubelets of 1.{oldest} to 1.{} are supported, none newer than its kubeadm",
        server.minor
    ))
}

/// The skew policy of Kubernetes, and what kubeadm itself refuses.
fn skew(kubeadm: Version, kubelet: Version, server: Version, configured: Version) -> Judgement {
    let mend = install(server);
    if configured.minor + 1 < kubeadm.minor {
        return failed(
            format!(
                "kubeadm {kubeadm} joins clusters from 1.{} on, and this one is {configured}",
                kubeadm.minor - 1
            ),
            mend,
        );
    }
    if kubelet.minor + KUBELET_BEHIND < kubeadm.minor {
        return failed(format!("kubeadm {kubeadm} refuses a kubelet as old as {kubelet}"), mend);
    }
    if kubeadm.minor <= LAST_WITH_PAUSE_FLAG && kubelet.minor > LAST_WITH_PAUSE_FLAG {
        return failed(
            format!(
                "kubeadm {kubeadm} starts the kubelet with a flag that {kubelet} does not know"
            ),
            mend,
        );
    }
    if kubelet.minor > server.minor {
        return warning(
            format!(
                "the kubelet, {kubelet}, is newer than the API server, {server}: nobody supports that"
            ),
            mend,
        );
    }
    if kubelet.minor + KUBELET_BEHIND < server.minor {
        return warning(
            format!(
                "the kubelet, {kubelet}, is more than three minors behind the API server, {server}: nobody supports that"
            ),
            mend,
        );
    }
    if kubelet.minor > kubeadm.minor {
        return warning(
            format!(
                "the kubelet, {kubelet}, is newer than kubeadm, {kubeadm}: nobody supports that"
            ),
            mend,
        );
    }
    passed(format!("kubeadm {kubeadm}, kubelet {kubelet}, API server {server}"))
}

/// Kubernetes' Debian packages have a repository for each minor.
fn install(wanted: Version) -> String {
    format!(
        "sed -i 's|/v1\\.[0-9]*/|/v1.{0}/|' /etc/apt/sources.list.d/kubernetes.list && apt-get update \
         && apt-get install -y --allow-downgrades kubeadm='1.{0}.*' kubelet='1.{0}.*'",
        wanted.minor
    )
}
