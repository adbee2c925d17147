//! What is refused, and in which words.

use serde_json::json;

use super::*;
use crate::minors::MINORS;

fn refusal(patch: &Value) -> String {
    check_kubelet(patch, Minor::find(37).unwrap()).unwrap_err().to_string()
}

fn proxy_refusal(patch: &Value) -> String {
    check_kube_proxy(patch, Minor::find(37).unwrap()).unwrap_err().to_string()
}

#[test]
fn every_minor_has_its_fields() {
    for minor in MINORS {
        for (kind, known) in [(Kind::Kubelet, "cgroupDriver"), (Kind::KubeProxy, "conntrack")] {
            let fields = kind.fields(minor.minor).unwrap();
            assert!(fields.get(known).is_some(), "{kind} in 1.{}", minor.minor);
        }
    }
}

#[test]
fn every_refused_field_exists_in_every_minor() {
    for (minor, kind) in MINORS.iter().flat_map(|m| [(m, Kind::Kubelet), (m, Kind::KubeProxy)]) {
        for (path, _) in refused::table(kind) {
            let found = path.iter().try_fold(kind.fields(minor.minor).unwrap(), |shape, key| {
                shape.get(key).or_else(|| shape.get("*"))
            });
            assert!(found.is_some(), "{} of {kind} in 1.{}", path.join("."), minor.minor);
        }
    }
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    assert_eq!(
        refusal(&json!({"evictionHrad": {}})),
        "spec.kubelet.evictionHrad: is not a field of KubeletConfiguration in Kubernetes 1.37; did you \
         mean evictionHard?"
    );
    assert_eq!(
        refusal(&json!({"memorySwap": {"zzz": 1}})),
        "spec.kubelet.memorySwap.zzz: is not a field of KubeletConfiguration in Kubernetes 1.37"
    );
    assert_eq!(
        proxy_refusal(&json!({"conntrack": {"maxpercore": 0}})),
        "spec.addons.kubeProxy.config.conntrack.maxpercore: is not a field of KubeProxyConfiguration in \
         Kubernetes 1.37; did you mean maxPerCore?"
    );
}

#[test]
fn a_field_of_a_later_minor_is_unknown_in_an_earlier_one() {
    let patch = json!({"defaultPodSysctls": {"net.ipv4.tcp_syncookies": "1"}});
    assert_eq!(check_kubelet(&patch, Minor::find(37).unwrap()), Ok(()));
    let refusal = check_kubelet(&patch, Minor::find(36).unwrap()).unwrap_err();
    assert_eq!(refusal.field, "spec.kubelet.defaultPodSysctls");
}

#[test]
fn a_value_of_another_json_type_is_refused() {
    for (patch, answer) in [
        (
            json!({"maxPods": "110"}),
            "spec.kubelet.maxPods: must be a whole number from -2147483648 to 2147483647, not \"110\"",
        ),
        (
            json!({"maxPods": 1.5}),
            "spec.kubelet.maxPods: must be a whole number from -2147483648 to 2147483647, not 1.5",
        ),
        (json!({"failSwapOn": "no"}), "spec.kubelet.failSwapOn: must be true or false, not \"no\""),
        (json!({"evictionHard": []}), "spec.kubelet.evictionHard: must be an object, not a list"),
        (
            json!({"evictionHard": {"memory.available": 5}}),
            "spec.kubelet.evictionHard[\"memory.available\"]: must be a string, not 5",
        ),
        (
            json!({"tlsCipherSuites": "x"}),
            "spec.kubelet.tlsCipherSuites: must be a list, not \"x\"",
        ),
        (
            json!({"registerWithTaints": [{"key": 1}]}),
            "spec.kubelet.registerWithTaints[0].key: must be a string, not 1",
        ),
        (
            json!({"syncFrequency": "1 minute"}),
            "spec.kubelet.syncFrequency: must be a duration such as \"5m0s\", not \"1 minute\"",
        ),
        (json!([]), "spec.kubelet: must be an object, not a list"),
    ] {
        assert_eq!(refusal(&patch), answer);
    }
}

#[test]
fn what_breaks_the_join_is_refused_with_the_reason() {
    assert_eq!(
        refusal(&json!({"clusterDomain": "other.local"})),
        "spec.kubelet.clusterDomain: cannot be set here: set spec.networking.clusterDomain instead"
    );
    for field in ["clusterDNS", "authentication", "staticPodPath", "serverTLSBootstrap"] {
        assert!(refusal(&json!({ field: null })).contains(field), "null removes {field}");
    }
    assert!(
        refusal(&json!({"featureGates": {"RotateKubeletServerCertificate": false}}))
            .starts_with("spec.kubelet.featureGates.RotateKubeletServerCertificate: ")
    );
    assert!(
        proxy_refusal(&json!({"clientConnection": null}))
            .starts_with("spec.addons.kubeProxy.config.clientConnection.kubeconfig: ")
    );
}

#[test]
fn what_tenants_need_is_accepted_in_every_minor() {
    let kubelet = json!({
        "cgroupDriver": "cgroupfs", "failCgroupV1": false, "maxPods": 50, "failSwapOn": null,
        "evictionHard": {"memory.available": "5%", "nodefs.available": null},
        "featureGates": {"InPlacePodVerticalScaling": true},
        "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}],
        "logging": {"flushFrequency": "5s"}, "shutdownGracePeriod": "30s",
    });
    let kube_proxy = json!({
        "mode": "nftables", "clientConnection": {"qps": 2.5},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s"},
    });
    for minor in MINORS {
        assert_eq!(check_kubelet(&kubelet, minor), Ok(()));
        assert_eq!(check_kube_proxy(&kube_proxy, minor), Ok(()));
    }
}
