//! Which file of which Secret a pod sees, and where. Every key is named one by one: a pod gets none that it
//! does not need.

use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};

use crate::certificates::secret_data::{CERTIFICATE, KUBECONFIG, PRIVATE_KEY};
use crate::certificates::{Authority, LeafSecret};

/// Where certificates and keys are mounted.
pub(super) const PKI_DIR: &str = "/etc/kubernetes/pki";
/// Where a component's kubeconfig is mounted, with the files that it names.
pub(crate) const CLIENT_CONFIG_DIR: &str = "/etc/kubernetes/client";

/// Readable for the group that the pod's user is in, and for nobody else.
pub(super) const FILE_MODE: i32 = 0o440;

/// Some keys of one Secret, and the file names that they get.
pub(super) struct Files {
    secret: &'static str,
    items: Vec<(&'static str, String)>,
}

impl Files {
    /// `NAME.crt` of an authority, without its key.
    pub(super) fn certificate(authority: Authority, name: &str) -> Self {
        let items = vec![(CERTIFICATE, format!("{name}.crt"))];
        Self { secret: authority.secret_name(), items }
    }

    /// `NAME.crt` and `NAME.key` of an authority, for whoever signs with it.
    pub(super) fn signer(authority: Authority, name: &str) -> Self {
        Self { secret: authority.secret_name(), items: pair(name) }
    }

    /// `NAME.crt` and `NAME.key` of a leaf.
    pub(super) fn leaf(leaf: LeafSecret, name: &str) -> Self {
        Self { secret: leaf.secret_name(), items: pair(name) }
    }

    /// `NAME.crt` and `NAME.key` of a Secret that is no leaf of the plane's birth.
    pub(super) fn pair_of(secret: &'static str, name: &str) -> Self {
        Self { secret, items: pair(name) }
    }

    /// Keys under their own names, in a directory called as the Secret.
    pub(super) fn in_directory(secret: &'static str, keys: &[&'static str]) -> Self {
        let items = keys.iter().map(|key| (*key, format!("{secret}/{key}"))).collect();
        Self { secret, items }
    }

    /// Keys of the service-account key pair, under their own names.
    pub(super) fn service_account(keys: &[&'static str]) -> Self {
        Self {
            secret: Authority::ServiceAccount.secret_name(),
            items: keys.iter().map(|key| (*key, (*key).to_owned())).collect(),
        }
    }
}

/// Keys of a certificate authority's Secret.
pub(super) const PAIR: [&str; 2] = [CERTIFICATE, PRIVATE_KEY];

fn pair(name: &str) -> Vec<(&'static str, String)> {
    vec![(CERTIFICATE, format!("{name}.crt")), (PRIVATE_KEY, format!("{name}.key"))]
}

/// One directory with files of several Secrets. Kubernetes replaces them when a Secret changes, which it
/// never does for a mount by `subPath`.
pub(super) fn volume(name: &str, files: Vec<Files>) -> Volume {
    let projection = |files: Files| VolumeProjection {
        secret: Some(SecretProjection {
            name: files.secret.to_owned(),
            items: Some(files.items.into_iter().map(item).collect()),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(FILE_MODE),
            sources: Some(files.into_iter().map(projection).collect()),
        }),
        ..Volume::default()
    }
}

fn item((key, path): (&'static str, String)) -> KeyToPath {
    KeyToPath { key: key.to_owned(), path, mode: None }
}

pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// Name of the volume behind [`PKI_DIR`].
pub(super) const PKI: &str = "pki";
/// Name of the volume behind [`CLIENT_CONFIG_DIR`].
pub(super) const CLIENT_CONFIG: &str = "client";

/// A component's kubeconfig with the files that it names: its certificate, its key, and the CA of
/// kube-apiserver's serving certificate.
pub(super) fn client_config_volume(leaf: LeafSecret) -> Volume {
    let mut own = pair("tls");
    own.push((KUBECONFIG, KUBECONFIG.to_owned()));
    let own = Files { secret: leaf.secret_name(), items: own };
    volume(CLIENT_CONFIG, vec![own, Files::certificate(Authority::Cluster, "ca")])
}

/// Name of the pair that a component serves, in [`PKI_DIR`].
pub(super) const SERVING: &str = "serving";

/// Flags by which a component serves it. It reads the files again when they change
/// (`k8s.io/apiserver/pkg/server/dynamiccertificates`).
pub(super) fn serving_flags() -> [String; 2] {
    [
        format!("--tls-cert-file={PKI_DIR}/{SERVING}.crt"),
        format!("--tls-private-key-file={PKI_DIR}/{SERVING}.key"),
    ]
}

/// Path of the kubeconfig in [`client_config_volume`].
pub(super) fn kubeconfig_path() -> String {
    format!("{CLIENT_CONFIG_DIR}/{KUBECONFIG}")
}
