//! What the ConfigMap `cluster-info` says, and whether it is to be believed: `cmd/kubeadm/app/discovery/token/token.go`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nagaya_pki::{BootstrapToken, ca_cert_hashes, jws};
use serde::Deserialize;

use crate::Arguments;

/// The ConfigMap, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The URL of the server that it names.
    pub server: String,
    /// PEM.
    pub ca_bundle: String,
    /// Of each CA, as a join command pins it.
    pub ca_hashes: Vec<String>,
    pub signature: Signature,
}

/// The signature that is made with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// None for the token's id.
    Missing,
    /// One that another secret has made, or for another content.
    Wrong,
    Right,
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<NamedCluster>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

impl ClusterInfo {
    /// Reads the ConfigMap from JSON.
    ///
    /// # Errors
    /// Which part of it kubeadm could not use, in words.
    pub fn read(json: &[u8], token: &BootstrapToken) -> Result<Self, String> {
        let map: ConfigMap =
            serde_json::from_slice(json).map_err(|error| format!("it is no ConfigMap: {error}"))?;
        let kubeconfig = map.data.get("kubeconfig").ok_or("it has no key `kubeconfig`")?;
        let signature = match map.data.get(&format!("jws-kubeconfig-{}", token.id())) {
            None => Signature::Missing,
            Some(made) if jws::verify(made, kubeconfig.as_bytes(), token) => Signature::Right,
            Some(_) => Signature::Wrong,
        };
        let unreadable =
            |error: &dyn std::fmt::Display| format!("its kubeconfig is unreadable: {error}");
        let read: Kubeconfig =
            serde_yaml_ng::from_str(kubeconfig).map_err(|error| unreadable(&error))?;
        let cluster = read.clusters.into_iter().next().ok_or("its kubeconfig has no cluster")?;
        let Cluster { server, certificate_authority_data } = cluster.cluster;
        let pem =
            STANDARD.decode(certificate_authority_data).map_err(|error| unreadable(&error))?;
        let ca_bundle = String::from_utf8(pem).map_err(|error| unreadable(&error))?;
        let ca_hashes = ca_cert_hashes(&ca_bundle).map_err(|error| unreadable(&error))?;
        Ok(Self { server, ca_bundle, ca_hashes, signature })
    }

    /// Whether one of its CAs is pinned, or none has to be and whoever made this has the token. Before that, nobody is
    /// shown the token.
    #[must_use]
    pub fn is_trusted(&self, join: &Arguments) -> bool {
        if join.any_ca {
            return self.signature == Signature::Right;
        }
        self.ca_hashes.iter().any(|hash| join.pins.contains(hash))
    }
}
