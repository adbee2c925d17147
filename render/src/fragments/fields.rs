//! The fields that each minor has, as `fields/generate.sh` read them from Kubernetes' Go types.

use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;

/// Which configuration a fragment patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `kubelet.config.k8s.io/v1beta1`
    Kubelet,
    /// `kubeproxy.config.k8s.io/v1alpha1`
    KubeProxy,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubelet => "KubeletConfiguration",
            Self::KubeProxy => "KubeProxyConfiguration",
        })
    }
}

impl Kind {
    /// The shape of this configuration in a minor (see `fields/main.go` for what the JSON means).
    pub(super) fn fields(self, minor: u16) -> Option<&'static Value> {
        FIELDS
            .iter()
            .find(|(known, _)| *known == minor)
            .and_then(|(_, kinds)| kinds.get(self.to_string()))
    }
}

static FIELDS: LazyLock<[(u16, Value); 3]> = LazyLock::new(|| {
    [
        (35, include_str!("fields/1.35.json")),
        (36, include_str!("fields/1.36.json")),
        (37, include_str!("fields/1.37.json")),
    ]
    // A file that is no JSON cannot be committed: a test reads each of them.
    .map(|(minor, text)| (minor, serde_json::from_str(text).unwrap_or_default()))
});
