//! The outside client: asks a plane for what a stock `kubeadm join` asks for, in its order, through the
//! public endpoint, and as often as it takes.
//!
//! Source of the order: `cmd/kubeadm/app/discovery/token` and `phases/kubelet` of Kubernetes, and the
//! kubelet's certificate bootstrap.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::command::{command, feed, output};
use crate::progress::step;
use crate::ring::{Failure, Outcome};
use crate::{interrupt, network, paths};

/// The name of the node whose certificate is asked for.
const NODE: &str = "bench-candidate";
/// A plane that is not joinable by then never will be.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// What kubeadm reads with the token.
const CONFIGURATIONS: [&str; 2] = ["kubeadm-config", "kubelet-config"];

/// A kubelet's certificate request (PKCS #10), made before any clock runs.
pub struct Identity {
    request: String,
}

impl Identity {
    /// A new key and its request.
    ///
    /// # Errors
    /// openssl fails.
    pub fn make() -> Outcome<Self> {
        let subject = format!("/O=system:nodes/CN=system:node:{NODE}");
        let mut openssl = command(&["openssl", "req", "-new", "-nodes", "-newkey", "ec"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", "/dev/null"]);
        let request = output(openssl.args(["-subj", &subject]))?;
        Ok(Self { request: BASE64.encode(request) })
    }
}

/// A plane that may be joinable, and a token for it.
pub struct Candidate<'i> {
    /// `host:port`.
    pub endpoint: &'i str,
    /// `ID.SECRET`.
    pub token: &'i str,
    /// For whom a certificate is asked.
    pub identity: &'i Identity,
}

impl Candidate<'_> {
    /// Returns when the certificate is issued.
    ///
    /// # Errors
    /// It is not within 3 minutes; the text has the last answer.
    pub fn become_a_node(&self) -> Outcome {
        let ca = step("signed cluster-info", || self.signed_cluster_info())?;
        let trusted = ["--cacert".to_owned(), ca.to_string_lossy().into_owned()];
        let bearer = format!("Authorization: Bearer {}", self.token);
        let known = [&trusted[..], &["--header".to_owned(), bearer]].concat();
        step("configurations", || {
            CONFIGURATIONS.iter().try_for_each(|name| {
                let path = format!("/api/v1/namespaces/kube-system/configmaps/{name}");
                self.ask(&known, &path, None, |answer| answer.get("data").map(drop))
            })
        })?;
        step("certificate", || self.certificate(&known))
    }

    fn certificate(&self, known: &[String]) -> Outcome {
        let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let name = self.ask(known, requests, Some(&self.request()), |answer| {
            Some(answer.pointer("/metadata/name")?.as_str()?.to_owned())
        })?;
        self.ask(known, &format!("{requests}/{name}"), None, |answer| {
            answer.pointer("/status/certificate").map(drop)
        })
    }

    /// The CA of a cluster-info that is signed for the token, as a file.
    fn signed_cluster_info(&self) -> Outcome<PathBuf> {
        let signature = format!("jws-kubeconfig-{}", self.token.split('.').next().unwrap_or(""));
        let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
        let kubeconfig = self.ask(&["--insecure".to_owned()], path, None, |answer| {
            answer["data"].get(&signature)?;
            Some(answer["data"]["kubeconfig"].as_str()?.to_owned())
        })?;
        let port = self.endpoint.rsplit(':').next().unwrap_or_default();
        let file = paths::state().join(format!("bench-ca-{port}.crt"));
        paths::write_whole(&file, &certificate_authority(&kubeconfig)?)?;
        Ok(file)
    }

    fn request(&self) -> Value {
        json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "node-csr-"},
            "spec": {
                "request": self.identity.request,
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "usages": ["digital signature", "client auth"],
            },
        })
    }

    /// Asks until the answer is what is wanted.
    fn ask<T>(
        &self,
        options: &[String],
        path: &str,
        body: Option<&Value>,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Outcome<T> {
        let url = format!("https://{}{path}", self.endpoint);
        let started = Instant::now();
        loop {
            let seen = match curl(options, &url, body) {
                Ok(answer) => match wanted(&answer) {
                    Some(found) => return Ok(found),
                    None => answer.to_string(),
                },
                Err(failure) => failure.to_string(),
            };
            interrupt::check()?;
            if started.elapsed() > PATIENCE {
                let text = format!("{url} did not answer as it should; last seen: {seen}");
                return Err(Failure::new(text));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// One request from the management host's network, where endpoints answer.
pub fn curl(options: &[String], url: &str, body: Option<&Value>) -> Outcome<Value> {
    let mut curl = command(&network::enter(&network::namespace(network::MANAGEMENT)));
    curl.args(["curl", "--silent", "--show-error", "--max-time", "2"]).args(options);
    let text = match body {
        None => output(curl.arg(url))?,
        Some(body) => {
            curl.args(["--header", "Content-Type: application/json", "--data", "@-"]);
            feed(curl.arg(url), body.to_string().as_bytes())?
        }
    };
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The CA in a kubeconfig of one cluster.
fn certificate_authority(kubeconfig: &str) -> Outcome<Vec<u8>> {
    let data = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority-data:"))
        .ok_or_else(|| Failure::new(format!("cluster-info without a CA: {kubeconfig}")))?;
    Ok(BASE64.decode(data.trim())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_of_a_cluster_info_is_found() {
        let kubeconfig =
            "clusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: x\n";
        assert_eq!(certificate_authority(kubeconfig).unwrap(), b"CA");
        assert!(certificate_authority("clusters: []").is_err());
    }
}
