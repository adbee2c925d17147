//! Plays those of the tenant's kube-controller-manager's controllers that a joining node needs: bootstrapsigner,
//! csrapproving and csrsigning.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{BootstrapToken, CertificateAuthority, LeafRequest, Usage, jws};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind, MemoryApi};

/// One look of them at the tenant's objects; `client_ca` is the Secret of the plane that they sign with.
pub fn tick(api: &MemoryApi, client_ca: impl Fn() -> Arc<Value>) {
    if let Some(cluster_info) = api.get("ConfigMap", "kube-public", "cluster-info") {
        for secret in api.all("Secret", Some("kube-system")) {
            sign_cluster_info(api, &cluster_info, &secret);
        }
    }
    for request in api.all("CertificateSigningRequest", None) {
        if request["status"].get("certificate").is_none() {
            let certificate = STANDARD.encode(certificate(&client_ca()));
            let approved = json!([{"type": "Approved", "status": "True"}]);
            let status = json!({"conditions": approved, "certificate": certificate});
            let name = request["metadata"]["name"].as_str().unwrap();
            let id = Id::new(Kind::named("CertificateSigningRequest"), "", name);
            api.patch_status(&id, &status);
        }
    }
}

fn sign_cluster_info(api: &MemoryApi, cluster_info: &Value, secret: &Value) {
    if secret["data"].get("usage-bootstrap-signing").is_none() {
        return;
    }
    let (id, rest) = (text(secret, "token-id"), text(secret, "token-secret"));
    let token = BootstrapToken::from_parts(&id, &rest).unwrap();
    let kubeconfig = cluster_info["data"]["kubeconfig"].as_str().unwrap();
    let signature = jws::sign(kubeconfig.as_bytes(), &token);
    let signed = json!({"data": {format!("jws-kubeconfig-{id}"): signature}});
    api.patch(&Id::new(Kind::named("ConfigMap"), "kube-public", "cluster-info"), &signed);
}

/// A node's certificate. Whose, nobody looks at: only by whom it is signed.
fn certificate(ca: &Value) -> String {
    let ca = CertificateAuthority::from_pem(&text(ca, "tls.crt"), &text(ca, "tls.key")).unwrap();
    let request = LeafRequest {
        common_name: "system:node:somebody".to_owned(),
        organization: Some("system:nodes".to_owned()),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        usage: Usage::ClientAuth,
        validity: SignedDuration::from_mins(10),
    };
    ca.issue(&request, Timestamp::now()).unwrap().cert_pem().to_owned()
}

/// A value of a Secret.
pub fn text(secret: &Value, key: &str) -> String {
    let encoded = secret["data"][key].as_str().unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}
