//! What the ConfigMap `cluster-info` says, and whether it is to be believed: `cmd/kubeadm/app/discovery/token/token.go`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nagaya_pki::{BootstrapToken, ca_cert_hashes, jws};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::Arguments;

/// The ConfigMap, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// As it came: what is signed, and compared.
    pub kubeconfig: String,
    /// The URL of the server that it names.
    pub server: String,
    pub cas: Vec<Ca>,
    pub signature: Signature,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ca {
    /// As a join command pins it.
    pub hash: String,
    pub certificate: CertificateDer<'static>,
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
        let cas = CertificateDer::pem_slice_iter(&pem)
            .map(|read| {
                let certificate = read.map_err(|error| unreadable(&error))?;
                let hash =
                    hash(&certificate).ok_or_else(|| unreadable(&"a CA is no certificate"))?;
                Ok(Ca { hash, certificate })
            })
            .collect::<Result<Vec<Ca>, String>>()?;
        if cas.is_empty() {
            return Err(unreadable(&"it has no CA"));
        }
        Ok(Self { kubeconfig: kubeconfig.clone(), server, cas, signature })
    }

    /// The CAs that may vouch for the server; none if nobody is to be believed, and shown the token. Whoever has signed with the
    /// token has named all of them. Else anybody may have written this, who can put a CA of his own beside the pinned one: then
    /// only the pinned ones.
    #[must_use]
    pub fn believed(&self, join: &Arguments) -> Vec<CertificateDer<'static>> {
        let is_pinned = |ca: &&Ca| join.pins.contains(&ca.hash);
        let is_signed = self.signature == Signature::Right;
        let are_all = is_signed && (join.any_ca || self.cas.iter().any(|ca| is_pinned(&ca)));
        let believed = self.cas.iter().filter(|ca| are_all || is_pinned(ca));
        believed.map(|ca| ca.certificate.clone()).collect()
    }
}

/// Of the public key of one certificate.
fn hash(certificate: &CertificateDer<'_>) -> Option<String> {
    ca_cert_hashes(&pem(certificate)).ok()?.pop()
}

/// A certificate as text.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    format!("{begin}\n{}\n{end}\n", lines.join("\n"))
}
