//! The tenant's own API server: in memory too, but behind real TLS, with the certificate that Nagaya has put
//! into the plane, at the addresses that the plane's Services have. Beside it, kube-controller-manager's
//! controllers that a joining node needs.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{BootstrapToken, CertificateAuthority, LeafRequest, Usage, jws};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Network, id_of};
use crate::memory_api::{MemoryApi, NODE_ADDRESS};

/// What kube-apiserver makes for itself.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// A running API server; ends when dropped.
pub struct Tenant {
    _listening: JoinSet<()>,
}

impl Tenant {
    /// Starts the API server of the plane in `namespace`, with the content `api`, if its Services lead to it.
    pub fn start(
        network: &Network,
        planes: &MemoryApi,
        namespace: &str,
        api: &MemoryApi,
    ) -> Option<Self> {
        let secret = planes.get("Secret", namespace, "kube-apiserver-tls")?;
        let acceptor = acceptor(&text(&secret, "tls.crt"), &text(&secret, "tls.key"));
        let internal = planes.get("Service", namespace, "kube-apiserver")?;
        let public = planes.get("Service", namespace, "kube-apiserver-public")?;
        for name in NAMESPACES {
            api.create(&json!({"kind": "Namespace", "metadata": {"name": name}}));
        }
        let cluster_ip = internal["spec"]["clusterIP"].as_str().unwrap();
        let node_port = &public["spec"]["ports"][0]["nodePort"];
        let addresses = [format!("{cluster_ip}:6443"), format!("{NODE_ADDRESS}:{node_port}")];
        let mut listening = JoinSet::new();
        for address in addresses {
            let address: SocketAddr = address.parse().unwrap();
            listening.spawn(listen(network.listen(address), acceptor.clone(), api.clone()));
        }
        Some(Self { _listening: listening })
    }
}

/// One look of bootstrapsigner, csrapproving and csrsigning.
pub fn tick(planes: &MemoryApi, namespace: &str, api: &MemoryApi) {
    if let Some(cluster_info) = api.get("ConfigMap", "kube-public", "cluster-info") {
        for secret in api.all("Secret", Some("kube-system")) {
            sign_cluster_info(api, &cluster_info, &secret);
        }
    }
    for request in api.all("CertificateSigningRequest", None) {
        if request["status"].get("certificate").is_none() {
            let ca = planes.get("Secret", namespace, "client-ca-1").unwrap();
            let certificate = STANDARD.encode(certificate(&ca));
            let approved = json!([{"type": "Approved", "status": "True"}]);
            let status = json!({"conditions": approved, "certificate": certificate});
            api.patch_status(&id_of(&request), &status);
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
    api.patch(&id_of(cluster_info), &signed);
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
fn text(secret: &Value, key: &str) -> String {
    let encoded = secret["data"][key].as_str().unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn listen(
    mut arriving: UnboundedReceiver<DuplexStream>,
    acceptor: TlsAcceptor,
    api: MemoryApi,
) {
    let mut connections = JoinSet::new();
    while let Some(stream) = arriving.recv().await {
        connections.spawn(serve(acceptor.clone(), stream, api.clone()));
    }
}

async fn serve(acceptor: TlsAcceptor, stream: DuplexStream, api: MemoryApi) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { api.serve(request).await }
    });
    let stream = TokioIo::new(stream);
    // A client that goes away is no news.
    let _ = if http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
}
