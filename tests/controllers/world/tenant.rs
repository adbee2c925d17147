//! The tenant's own API server: in memory too, but behind real TLS, with the certificate that Nagaya has put
//! into the plane, at the addresses that the plane's Services have. It takes a new certificate without a restart, as
//! kube-apiserver does (`dynamiccertificates`).

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nagaya_api::labels;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::signers::text;
use super::{Network, gateway};
use crate::memory_api::{EXTERNAL_ADDRESS, MemoryApi, NODE_ADDRESS};

/// What kube-apiserver makes for itself.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// A running API server; ends when dropped.
pub struct Tenant {
    /// What its certificate is from.
    certificate: Arc<Value>,
    acceptor: watch::Sender<TlsAcceptor>,
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
        let certificate = certificate(planes, namespace)?;
        let acceptor = watch::Sender::new(acceptor(&certificate));
        let internal = planes.get("Service", namespace, "kube-apiserver")?;
        let public = planes.get("Service", namespace, "kube-apiserver-public")?;
        for name in NAMESPACES {
            api.create(&json!({"kind": "Namespace", "metadata": {"name": name}}));
        }
        let at = |address: String| network.listen(address.parse::<SocketAddr>().unwrap());
        let cluster_ip = internal["spec"]["clusterIP"].as_str().unwrap();
        let mut listening = JoinSet::new();
        let mut arriving = vec![at(format!("{cluster_ip}:6443"))];
        match public["spec"]["type"].as_str().unwrap() {
            "LoadBalancer" => {
                let ingress = &public["status"]["loadBalancer"]["ingress"][0];
                let (address, port) =
                    (ingress["ip"].as_str()?, &public["spec"]["ports"][0]["port"]);
                arriving.push(at(format!("{address}:{port}")));
            }
            "NodePort" => {
                let node_port = &public["spec"]["ports"][0]["nodePort"];
                arriving.push(at(format!("{NODE_ADDRESS}:{node_port}")));
                if leads_from_outside(planes, namespace, node_port) {
                    arriving.push(at(format!("{EXTERNAL_ADDRESS}:6443")));
                }
            }
            _ => arriving.push(gateway::listen(network, planes, namespace, &mut listening)),
        }
        for arriving in arriving {
            listening.spawn(listen(arriving, acceptor.subscribe(), api.clone()));
        }
        Some(Self { certificate, acceptor, _listening: listening })
    }

    /// Who connects from now on is shown the certificate that the plane in `namespace` has now.
    pub fn reload(&mut self, planes: &MemoryApi, namespace: &str) {
        if let Some(now) = certificate(planes, namespace).filter(|now| *now != self.certificate) {
            self.acceptor.send_replace(acceptor(&now));
            self.certificate = now;
        }
    }
}

/// The operator leads his load balancer to the node port that was recorded for it.
fn leads_from_outside(planes: &MemoryApi, namespace: &str, node_port: &Value) -> bool {
    let plane = planes.get("Namespace", "", namespace).unwrap_or_default();
    let recorded = &plane["metadata"]["annotations"][labels::ENDPOINT_NODE_PORT];
    recorded.as_str() == Some(node_port.to_string().as_str())
}

fn certificate(planes: &MemoryApi, namespace: &str) -> Option<Arc<Value>> {
    planes.get("Secret", namespace, "kube-apiserver-certs")
}

fn acceptor(secret: &Value) -> TlsAcceptor {
    let (certificate, key) = (text(secret, "apiserver.crt"), text(secret, "apiserver.key"));
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
    acceptor: watch::Receiver<TlsAcceptor>,
    api: MemoryApi,
) {
    let mut connections = JoinSet::new();
    while let Some(stream) = arriving.recv().await {
        let acceptor = acceptor.borrow().clone();
        connections.spawn(serve(acceptor, stream, api.clone()));
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
