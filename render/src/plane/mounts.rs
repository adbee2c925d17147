//! Which file of which Secret a pod sees, and where. Every key is named one by one: a pod gets none that it
//! does not need.

use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};

use crate::certificates::secret_data::{
    CERTIFICATE, KUBECONFIG, PRIVATE_KEY, certificate, private_key,
};
use crate::certificates::{Authority, Leaf};

/// Where certificates and keys are mounted.
pub(super) const PKI_DIR: &str = "/etc/kubernetes/pki";
/// Where a component's kubeconfig is mounted, with the files that it names.
pub(crate) const CLIENT_CONFIG_DIR: &str = "/etc/kubernetes/client";

/// Readable for the group that the pod's user is in, and for nobody else.
pub(super) const FILE_MODE: i32 = 0o440;

/// Some keys of one Secret, and the file names that they get.
pub(super) struct Files {
    secret: &'static str,
    items: Vec<(String, String)>,
}

impl Files {
    /// `NAME.crt` of an authority, without its key.
    pub(super) fn certificate(authority: Authority, name: &str) -> Self {
        let items = vec![(CERTIFICATE.to_owned(), certificate(name))];
        Self { secret: authority.secret_name(), items }
    }

    /// `NAME.crt` and `NAME.key` of an authority, for whoever signs with it.
    pub(super) fn signer(authority: Authority, name: &str) -> Self {
        Self { secret: authority.secret_name(), items: pair(name) }
    }

    /// The pair of a leaf, called as in its Secret.
    pub(super) fn leaf(leaf: Leaf) -> Self {
        let (secret, name) = leaf.place();
        let items = [certificate(name), private_key(name)].map(|file| (file.clone(), file)).into();
        Self { secret: secret.secret_name(), items }
    }

    /// `NAME.crt` and `NAME.key` of a Secret that is no leaf of the plane's birth.
    pub(super) fn pair_of(secret: &'static str, name: &str) -> Self {
        Self { secret, items: pair(name) }
    }

    /// Keys under their own names, in a directory called as the Secret.
    pub(super) fn in_directory(secret: &'static str, keys: &[&'static str]) -> Self {
        let file = |key: &&str| ((*key).to_owned(), format!("{secret}/{key}"));
        let items = keys.iter().map(file).collect();
        Self { secret, items }
    }

    /// Keys of the service-account key pair, under their own names.
    pub(super) fn service_account(keys: &[&'static str]) -> Self {
        Self {
            secret: Authority::ServiceAccount.secret_name(),
            items: keys.iter().map(|key| ((*key).to_owned(), (*key).to_owned())).collect(),
        }
    }
}

/// Keys of a certificate authority's Secret.
pub(super) const PAIR: [&str; 2] = [CERTIFICATE, PRIVATE_KEY];

fn pair(name: &str) -> Vec<(String, String)> {
    vec![(CERTIFICATE.to_owned(), certificate(name)), (PRIVATE_KEY.to_owned(), private_key(name))]
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

fn item((key, path): (String, String)) -> KeyToPath {
    KeyToPath { key, path, mode: None }
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
/// Name of the pair in [`CLIENT_CONFIG_DIR`] that a component's kubeconfig names.
pub(crate) const CLIENT: &str = "client";

/// A component's kubeconfig with the files that it names: its certificate, its key, and the CA of
/// kube-apiserver's serving certificate.
pub(super) fn client_config_volume(leaf: Leaf) -> Volume {
    volume(CLIENT_CONFIG, client_config(leaf))
}

/// What is in it.
pub(super) fn client_config(leaf: Leaf) -> Vec<Files> {
    let mut own = Files::leaf(leaf);
    own.items.push((KUBECONFIG.to_owned(), KUBECONFIG.to_owned()));
    vec![own, Files::certificate(Authority::Cluster, "ca")]
}

/// Name of the pair that a component serves, in [`PKI_DIR`].
pub(crate) const SERVING: &str = "serving";

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
