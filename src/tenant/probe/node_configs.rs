//! The configurations that kubeadm reads with the bootstrap token: whether it would accept them.
//! Pure; sources are `cmd/kubeadm/app/util/config/cluster.go`, `…/config/common.go` and
//! `…/componentconfigs/configset.go`.

use std::collections::BTreeMap;

use nagaya_render::probe::{Finding, Reason};
use serde::Deserialize;

type Data = BTreeMap<String, String>;

/// The fields of kubeadm's `ClusterConfiguration` that make a join fail when they have another type, or
/// a value that cannot be used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfiguration {
    #[serde(default)]
    kubernetes_version: Option<String>,
    #[serde(default, rename = "clusterName")]
    _cluster_name: Option<String>,
    #[serde(default, rename = "controlPlaneEndpoint")]
    _control_plane_endpoint: Option<String>,
    #[serde(default, rename = "imageRepository")]
    _image_repository: Option<String>,
    #[serde(default, rename = "networking")]
    _networking: Option<BTreeMap<String, Option<String>>>,
    #[serde(default, rename = "featureGates")]
    _feature_gates: Option<BTreeMap<String, bool>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// Whether kubeadm of the tenant's minor accepts ConfigMap kubeadm-config.
pub(super) fn check_kubeadm_config(data: &Data, minor: u16) -> Finding {
    let text = match value(data, "kubeadm-config", "ClusterConfiguration") {
        Ok(text) => text,
        Err(finding) => return finding,
    };
    // kubeadm 1.37 dropped v1beta3.
    let versions: &[&str] = if minor < 37 {
        &["kubeadm.k8s.io/v1beta4", "kubeadm.k8s.io/v1beta3"]
    } else {
        &["kubeadm.k8s.io/v1beta4"]
    };
    if let Err(why) = check_type(text, versions, "ClusterConfiguration") {
        return invalid("kubeadm-config", "ClusterConfiguration", &why);
    }
    match serde_yaml_ng::from_str::<ClusterConfiguration>(text) {
        Err(error) => invalid("kubeadm-config", "ClusterConfiguration", &error.to_string()),
        Ok(configuration) => {
            let version = configuration.kubernetes_version.unwrap_or_default();
            if kubeadm_accepts(&version, minor) {
                return Finding::Ok;
            }
            Finding::failed(
                Reason::VersionUnsupported,
                format!(
                    "ConfigMap kube-system/kubeadm-config says kubernetesVersion {version:?}; kubeadm 1.{minor} \
                     needs v1.{} or later",
                    minor.saturating_sub(1)
                ),
            )
        }
    }
}

/// Whether kubeadm accepts ConfigMap kubelet-config.
pub(super) fn check_kubelet_config(data: &Data) -> Finding {
    check_component(
        data,
        "kubelet-config",
        "kubelet",
        "kubelet.config.k8s.io/v1beta1",
        "KubeletConfiguration",
    )
}

/// Whether kubeadm accepts ConfigMap kube-proxy, if there is one.
pub(super) fn check_kube_proxy(data: &Data) -> Finding {
    check_component(
        data,
        "kube-proxy",
        "config.conf",
        "kubeproxy.config.k8s.io/v1alpha1",
        "KubeProxyConfiguration",
    )
}

fn check_component(data: &Data, map: &str, key: &str, api_version: &str, kind: &str) -> Finding {
    let text = match value(data, map, key) {
        Ok(text) => text,
        Err(finding) => return finding,
    };
    match check_type(text, &[api_version], kind) {
        Ok(()) => Finding::Ok,
        Err(why) => invalid(map, key, &why),
    }
}

fn value<'a>(data: &'a Data, map: &str, key: &str) -> Result<&'a str, Finding> {
    data.get(key).map(String::as_str).ok_or_else(|| {
        let message = format!("ConfigMap kube-system/{map} has no key {key}");
        Finding::failed(Reason::ObjectInvalid, message)
    })
}

fn invalid(map: &str, key: &str, why: &str) -> Finding {
    Finding::failed(
        Reason::ObjectInvalid,
        format!("{key} in ConfigMap kube-system/{map} cannot be used: {why}"),
    )
}

/// Whether the text is YAML of that type throughout.
fn check_type(text: &str, api_versions: &[&str], kind: &str) -> Result<(), String> {
    serde_yaml_ng::from_str::<serde_yaml_ng::Mapping>(text).map_err(|error| error.to_string())?;
    let found: TypeMeta = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    if api_versions.contains(&found.api_version.as_str()) && found.kind == kind {
        return Ok(());
    }
    Err(format!(
        "it is {:?} of {:?}, not {kind} of {}",
        found.kind,
        found.api_version,
        api_versions.join(" or ")
    ))
}

/// `NormalizeKubernetesVersion`: semantic, and at most one minor older than kubeadm. Nothing at all and
/// labels such as `stable-1` make kubeadm ask the internet and, without it, take its own version.
fn kubeadm_accepts(version: &str, kubeadm_minor: u16) -> bool {
    if version.is_empty() || version.starts_with("stable") || version.starts_with("latest") {
        return true;
    }
    let numbers = version.strip_prefix('v').unwrap_or(version);
    let core = numbers.split(['-', '+']).next().unwrap_or_default();
    let parsed: Option<Vec<u16>> = core.split('.').map(|number| number.parse().ok()).collect();
    match parsed.as_deref() {
        Some([1, minor, _]) => minor.saturating_add(1) >= kubeadm_minor,
        Some([major, _, _]) => *major > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(key: &str, text: &str) -> Data {
        BTreeMap::from([(key.to_owned(), text.to_owned())])
    }

    fn reason(finding: &Finding) -> Option<Reason> {
        match finding {
            Finding::Failed { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    fn cluster(rest: &str) -> Data {
        let head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
        data("ClusterConfiguration", &format!("{head}{rest}"))
    }

    #[test]
    fn a_version_is_refused_when_it_is_more_than_one_minor_older_than_kubeadm() {
        for accepted in
            ["v1.37.1", "1.37.0", "v1.36.9", "v1.38.0", "v1.36.0-rc.1+build", "", "stable-1"]
        {
            assert!(kubeadm_accepts(accepted, 37), "{accepted}");
        }
        for refused in ["v1.35.9", "v1.37", "newest", "v0.9.1", "v1.x.1"] {
            assert!(!kubeadm_accepts(refused, 37), "{refused}");
        }
    }

    #[test]
    fn a_cluster_configuration_is_accepted_or_refused_as_kubeadm_does() {
        let good = cluster("kubernetesVersion: v1.37.1\nnetworking:\n  podSubnet: 10.244.0.0/16\n");
        assert_eq!(check_kubeadm_config(&good, 37), Finding::Ok);
        let old = cluster("kubernetesVersion: v1.35.4\n");
        assert_eq!(reason(&check_kubeadm_config(&old, 37)), Some(Reason::VersionUnsupported));
        for broken in ["kubernetesVersion: [1]\n", "networking: 3\n", "clusterName: {}\n", "a: [\n"]
        {
            let found = check_kubeadm_config(&cluster(broken), 37);
            assert_eq!(reason(&found), Some(Reason::ObjectInvalid), "{broken}");
        }
        let empty = check_kubeadm_config(&Data::new(), 37);
        assert_eq!(reason(&empty), Some(Reason::ObjectInvalid));
    }

    #[test]
    fn kubeadm_1_37_no_longer_reads_v1beta3() {
        let text = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.3\n";
        let old = data("ClusterConfiguration", text);
        assert_eq!(check_kubeadm_config(&old, 36), Finding::Ok);
        assert_eq!(reason(&check_kubeadm_config(&old, 37)), Some(Reason::ObjectInvalid));
    }

    #[test]
    fn a_kubelet_configuration_needs_its_key_and_its_type() {
        let good =
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 50\n";
        assert_eq!(check_kubelet_config(&data("kubelet", good)), Finding::Ok);
        for broken in
            ["", "garbage", "kind: KubeletConfiguration\n", &good.replace("v1beta1", "v1")]
        {
            let found = check_kubelet_config(&data("kubelet", broken));
            assert_eq!(reason(&found), Some(Reason::ObjectInvalid), "{broken}");
        }
        assert_eq!(
            reason(&check_kubelet_config(&data("config", good))),
            Some(Reason::ObjectInvalid)
        );
    }

    #[test]
    fn garbage_for_kube_proxy_ends_a_join() {
        let good = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        assert_eq!(check_kube_proxy(&data("config.conf", good)), Finding::Ok);
        let found = check_kube_proxy(&data("config.conf", "garbage"));
        assert_eq!(reason(&found), Some(Reason::ObjectInvalid));
    }
}
